"""Files from the net, whole or not at all: resumed after an interruption, checked against their published
checksum.
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from reuselab.check import Failed
from reuselab.places import regular

TIMEOUT = 30  # seconds without a byte until a connection counts as lost
CHUNK = 2**16  # bytes


class Lost(Failed):
    """The connection broke off, or none was made; what has come is kept."""


class Gone(Failed):
    """The server has no such file."""


class Damaged(Failed):
    """What came is not the published file."""


def download(urls: Sequence[str], path: Path, md5: str = "", *, progress: bool = True) -> None:
    """Bring the first of `urls` that can be had (they are mirrors of one file) to `path`.

    The bytes go to PATH.part, from where a later call goes on, and get their name when the checksum is right:
    `md5`, or where none is given the one that the server publishes in its headers. A file that already has
    the right `md5` is left as it is. Progress is shown on a terminal, unless `progress` is off.

    Raises Failed in one line: Gone where no server has the file, Damaged where its checksum is wrong even
    when fetched from the beginning, Failed itself for a lost connection and a full disk. PATH is then as it
    was.
    """
    if md5 and whole(path, md5):
        return
    part = part_of(path)
    if md5 and whole(part, md5):  # stopped between the last byte and the renaming
        part.replace(path)
        return
    lost = []
    for url in urls:
        try:
            begun = part.exists()
            if not _fetch(url, part, md5, progress=progress) and not (
                begun and _fetch(url, part, md5, progress=progress)
            ):
                raise Damaged(f"{url} is not the published file: its checksum differs")
        except (Gone, Damaged, Lost) as failure:
            lost.append(failure)
        else:
            part.replace(path)
            return
    raise lost[-1] if len(lost) == 1 else Failed("; ".join(map(str, lost)))


def part_of(path: Path) -> Path:
    """Where the bytes of `path` lie until it is whole."""
    return path.with_name(path.name + ".part")


def _fetch(url: str, part: Path, md5: str, *, progress: bool) -> bool:
    """Bring the rest of `url` into `part`: True where it is then whole; else False with `part` removed, for
    it may be of another file.
    """
    have = part.stat().st_size if part.exists() else 0
    with _open(url, have) as response:
        if response.status == 416:  # more is there than the server has
            part.unlink()
            return False
        resumed = response.status == 206
        total = _total(response.headers, resumed=resumed)
        md5 = md5 or _published(response.headers)
        if resumed and not md5:  # nothing would tell whether both ends are of one file
            part.unlink()
            return False
        ended = _write(response, part, have if resumed else 0, total, url, progress=progress)
    size = part.stat().st_size
    if not ended or (total is not None and size < total):
        of = "" if total is None else f" of {_size(total)}"
        raise Lost(
            f"the connection was lost after {_size(size)}{of} of {url}; "
            "run the same command again to go on from there"
        )
    if (total is None or size == total) and (not md5 or whole(part, md5)):
        return True
    part.unlink()
    return False


def _open(url: str, have: int) -> HTTPResponse | HTTPError:
    """The server's answer, from byte `have` on where the server can do that (status 206)."""
    headers = {"User-Agent": "reuselab"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and have:
            return error
        failure = (
            Gone if error.code in (403, 404, 410) else Lost
        )  # the public store says 403 where there is nothing
        raise failure(f"{url} cannot be had: {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise Lost(
            f"{url} does not answer: {getattr(error, 'reason', None) or error or type(error).__name__}"
        ) from None


def _write(
    response: HTTPResponse | HTTPError, part: Path, have: int, total: int | None, url: str, *, progress: bool
) -> bool:
    """The answer's bytes into `part` behind its first `have`.

    False where the connection broke; no room raises Failed.
    """
    try:
        with (
            open(regular(part), "ab" if have else "wb") as file,
            tqdm(
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=part.stem,
                disable=None if progress else True,
            ) as bar,
        ):
            while chunk := _read(response):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
            return chunk is not None
    except OSError as error:
        raise Failed(
            f"cannot write {part} for {url}: {error.strerror}; make room and run the same command again"
        ) from None


def _read(response: HTTPResponse | HTTPError) -> bytes | None:
    """The next bytes, none at the end, None where the connection broke."""
    try:
        return response.read(CHUNK)
    except (OSError, HTTPException):
        return None


def _total(headers: Message, *, resumed: bool) -> int | None:
    """Size of the whole file in bytes, where the server says it."""
    said = (
        headers.get("Content-Range", "").rpartition("/")[2] if resumed else headers.get("Content-Length", "")
    )
    return int(said) if said.isdigit() else None


def _published(headers: Message) -> str:
    """The file's MD5 in hexadecimal as Google's store (x-goog-hash) or Amazon's (ETag of a file sent in one
    part) gives it, else ''.
    """
    google = re.search(r"md5=([\w+/]{22}==)", ",".join(headers.get_all("x-goog-hash", [])))
    if google and headers.get("x-goog-stored-content-encoding", "identity") == "identity":
        return base64.b64decode(google[1]).hex()
    plain = (
        headers.get("Server") == "AmazonS3"
        and headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    )
    amazon = plain and re.fullmatch(r'"([0-9a-f]{32})"', headers.get("ETag", ""))
    return amazon[1] if amazon else ""


def _size(count: int) -> str:
    return tqdm.format_sizeof(count, "B")


def whole(path: Path, md5: str) -> bool:
    """Whether the file `path` is there and has the checksum `md5`, in hexadecimal."""
    return path.is_file() and _md5(path) == md5


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def note_sums(sums: Path, paths: Iterable[Path]) -> None:
    """Add the MD5 of each of `paths`, which lie under the folder of the list `sums`, to that list, in the
    format of md5sum.
    """
    with open(regular(sums), "a", encoding="utf-8") as file:
        file.writelines(f"{_md5(path)}  {path.relative_to(sums.parent).as_posix()}\n" for path in paths)


def read_sums(sums: Path) -> dict[str, str]:
    """The list `sums`: each file, relative to the list's folder, and its MD5; the last word on a file counts.

    Empty where there is no list.
    """
    lines = regular(sums).read_text(encoding="utf-8").splitlines() if sums.exists() else []
    return {name: md5 for md5, _, name in (line.partition("  ") for line in lines)}
