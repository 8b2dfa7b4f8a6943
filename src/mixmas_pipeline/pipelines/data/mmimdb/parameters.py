"""Parameters of the MM-IMDB preparation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mixmas_pipeline.utils.parameters import Parameters

Source = Literal["raw", "hdf5"]
Precision = Literal["auto", "float32", "bfloat16"]
Side = Annotated[int, Field(ge=8, le=2048)]

# The 23 most frequent genres of the published films, from the most to the least frequent.
GENRES = (
    *("Drama", "Comedy", "Romance", "Thriller", "Crime", "Action", "Adventure", "Horror", "Documentary", "Mystery"),
    *("Sci-Fi", "Fantasy", "Family", "Biography", "War", "History", "Music", "Animation", "Musical", "Western"),
    *("Sport", "Short", "Film-Noir"),
)
# A poster's look is the brightness of so many rows of fields, each of one more.
LOOK_SIDE = 16


class PictureParameters(Parameters):
    """Posters as arrays.

    Attributes:
        height, width: in pixels; a poster is resized to them, whatever its own proportions. Default 256 and 160.
        threads: that decode; null for one a core. Default null.
    """

    height: Side = 256
    width: Side = 160
    threads: int | None = Field(None, ge=1)


class FilmParameters(Parameters):
    """Which films are taken, and what is predicted.

    Attributes:
        genres: the classes, in their order. Default the 23 of MM-IMDB.
        unknown_genres: a genre that is not among them is counted and dropped ("ignore", the published films have a
            few), or stops the run ("error"). Default "ignore".
        missing_films: a film of split.json that has no files stops the run ("error"), or is counted and left out
            ("skip"). Default "error".
        leaks: films of two splits with the same poster or plot are counted and named ("report"), or the copy is taken
            out of the training split, else out of the validation split, never out of the test split ("drop").
            Default "report".
    """

    genres: tuple[str, ...] = Field(GENRES, min_length=1)
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
        precision: in which the encoder computes; "auto" is bfloat16 on a GPU and on a CPU with AMX, float32 elsewhere.
            Default "auto".
        device: "cpu", "cuda" or "auto" (cuda where there is one). Default "auto".
        batch_tokens: of a batch, with padding. Default 2,048.
    """

    max_tokens: int = Field(512, ge=3)
    precision: Precision = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_tokens: int = Field(2048, ge=1)
