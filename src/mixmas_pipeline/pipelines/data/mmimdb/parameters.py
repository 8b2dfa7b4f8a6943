"""Parameters of the MM-IMDB preparation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.utils.parameters import Count, Parameters

Source = Literal["raw", "hdf5"]
Precision = Literal["auto", "float32", "bfloat16"]
Side = Annotated[int, Field(ge=8, le=2048)]

# The 23 most frequent genres of the published films, from the most to the least frequent.
GENRES = (
    *("Drama", "Comedy", "Romance", "Thriller", "Crime", "Action", "Adventure", "Horror", "Documentary", "Mystery"),
    *("Sci-Fi", "Fantasy", "Family", "Biography", "War", "History", "Music", "Animation", "Musical", "Western"),
    *("Sport", "Short", "Film-Noir"),
)
# A poster's look is the brightness of this many rows of fields, with one field more per row.
LOOK_SIDE = 16


class PictureParameters(Parameters):
    """Posters as arrays.

    Attributes:
        height, width: in pixels; a poster is resized to them, whatever its proportions. Default 256 and 160.
        threads: that decode; null for one per core. Default null.
    """

    height: Side = 256
    width: Side = 160
    threads: Count | None = None


class FilmParameters(Parameters):
    """Which films are used, and what is predicted.

    Attributes:
        genres: the classes, in their order. Default the 23 of MM-IMDB.
        unknown_genres: "ignore" counts and drops other genres (the published films have a few); "error" stops the run.
            Default "ignore".
        missing_films: of split.json, without files. "error" stops the run; "skip" counts and leaves them out. Default
            "error".
        leaks: films of two splits with the same poster or plot. "report" counts and names them; "drop" also removes
            the copy from the training split, else from the validation split, never from the test split. Default
            "report".
    """

    genres: tuple[str, ...] = Field(default=GENRES, min_length=1)
    unknown_genres: Literal["ignore", "error"] = "ignore"
    missing_films: Literal["error", "skip"] = "error"
    leaks: Literal["report", "drop"] = "report"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.genres)) != len(self.genres):
            raise ValueError(f"genres {self.genres} repeats one")
        return self


class TextParameters(Parameters):
    """How plots become token embeddings.

    Attributes:
        max_tokens: of a plot, with the encoder's special tokens; longer plots are cut. Default 512.
        precision: in which the encoder computes; "auto" is bfloat16 on a GPU and on a CPU with AMX, else float32.
            Default "auto".
        device: "cpu", "cuda" or "auto" (cuda if available). Default "auto".
        batch_tokens: tokens per batch, with padding. Default 2,048.
    """

    max_tokens: int = Field(default=512, ge=3)
    precision: Precision = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_tokens: Count = 2048


class MMIMDBParameters(Parameters):
    """Preparation of MM-IMDB.

    Attributes:
        input: "raw": the dataset's folder or archive; or "hdf5": the authors' multimodal_imdb.hdf5. Default "raw".
        pictures: posters as arrays.
        films: which films are used, and what is predicted.
        text: how plots become token embeddings.
    """

    input: Source = "raw"
    pictures: PictureParameters = Field(default_factory=PictureParameters)
    films: FilmParameters = Field(default_factory=FilmParameters)
    text: TextParameters = Field(default_factory=TextParameters)
