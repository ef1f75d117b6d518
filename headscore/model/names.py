"""Check the name of a model or tokenizer before torch is loaded, which takes seconds."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from headscore.errors import InputError, near_file

# A repository of the hub, with or without its owner (huggingface_hub.utils.validate_repo_id).
_HUB_ID = re.compile(r"(?!.*(--|\.\.))(?!.*\.git$)(\w[\w.-]*/)?\w[\w.-]{0,95}", re.ASCII)
_SECONDS = 5.0  # for the answer of the hub


def check_name(name: str, what: str = "model") -> None:
    """Raise InputError unless a name is that of a folder, or of what the hub or its cache has.

    Parameters
    ----------
    name
        Hub id or local folder.
    what
        What it names, for the sentence.
    """
    path = Path(name)
    if path.is_file():
        raise InputError(f"{what} must be a hub id or a folder, got the file {name!r}")
    if name and path.is_dir():
        return
    reason = _not_on_hub(name) if _HUB_ID.fullmatch(name) else "it is no hub id"
    if reason is not None:
        raise InputError(
            f"cannot load the {what} {name!r}: there is no such folder, and {reason}{_near(path)}"
        )


def _not_on_hub(name: str) -> str | None:
    """Return why the hub does not have a repository; None if it has, or may have it."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    from huggingface_hub.file_download import repo_folder_name

    cached = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")
    if any(cached.glob("snapshots/*/*")):
        return None
    if constants.HF_HUB_OFFLINE:
        return "the cache of the hub does not have it (HF_HUB_OFFLINE)"
    try:
        HfApi().model_info(name, timeout=_SECONDS)
    except GatedRepoError:  # known, but closed to this user: loading raises how to ask
        return None
    except RepositoryNotFoundError:
        return "the hub does not have it, or not for this user"
    except HfHubHTTPError:  # the hub itself failed: loading tries again
        return None
    except Exception as error:  # of any kind: whichever library transports it
        return f"the hub cannot be reached ({' '.join(str(error).split())})"
    return None


def _near(path: Path) -> str:
    """Return a hint at a folder, or what the hub's cache has, of a similar name; "" for none."""
    near = near_file(path, Path.is_dir)
    if not near and _HUB_ID.fullmatch(str(path)):
        from huggingface_hub import constants

        # A repository owner/name is in the folder models--owner--name.
        cached = Path(constants.HF_HUB_CACHE).glob("models--*")
        names = [each.name.removeprefix("models--").replace("--", "/") for each in cached]
        near = next(iter(difflib.get_close_matches(str(path), names, n=1)), "")
    return f"; did you mean {near!r}?" if near else ""
