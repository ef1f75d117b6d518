"""Check the name of a model or tokenizer before torch is loaded, which takes seconds."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from headscore.errors import InputError

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
    """Return a hint at a folder of a similar name, "" for none."""
    try:
        names = [each.name for each in path.parent.iterdir() if each.is_dir()]
    except (OSError, ValueError):
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {str(path.parent / near[0])!r}?" if near else ""
