"""One file from a server of the tests' own: whole, cut off, wrong, full disk, taken up again."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from served import Handler, amazon, google, md5

from reuselab.check import Failed
from reuselab.sources import download

FILE = np.random.default_rng(0).bytes(300_000)
MD5 = md5(FILE)


@pytest.fixture
def one(server, tmp_path):
    """A server with one file, and a function that downloads it."""
    server.files["file"] = FILE
    path = tmp_path / "file"
    return (
        server,
        path,
        lambda known=MD5, **how: download.download([server.url + "file"], path, known, **how),
    )


def parts(path):
    return path.exists(), path.with_name(path.name + ".part").exists()


def test_a_file_comes_whole_and_is_not_fetched_again(one):
    server, path, get = one
    get(), get()
    assert path.read_bytes() == FILE and parts(path) == (True, False) and server.sent == [("file", len(FILE))]


@pytest.mark.hostile("fetch cut off")
def test_a_file_cut_off_is_not_there_and_the_rest_alone_is_fetched_later(one):
    server, path, get = one
    server.cut = 100_000
    with pytest.raises(
        Failed,
        match=r"^the connection was lost after 100kB of 300kB of http\S+; "
        "run the same command again to go on from there$",
    ):
        get()
    assert parts(path) == (False, True)
    server.cut = None
    get()
    assert path.read_bytes() == FILE and server.sent == [("file", 100_000), ("file", 200_000)]


@pytest.mark.hostile("fetch cut off")
def test_a_server_that_cannot_go_on_in_the_middle_begins_anew(one):
    server, path, get = one
    server.cut, server.ranges = 100_000, False
    with pytest.raises(Failed):
        get()
    server.cut = None
    get()
    assert path.read_bytes() == FILE and parts(path) == (True, False) and server.bytes_of("file") == 400_000


@pytest.mark.hostile("files damaged in the fetch")
@pytest.mark.parametrize(
    "left",
    [b"x" * 1000, FILE[:1000] + b"x", FILE + b"x", b"x" * len(FILE)],
    ids=["other", "one byte", "longer", "as long"],
)
def test_a_rest_of_another_file_is_thrown_away_and_the_whole_comes(one, left):
    _, path, get = one
    path.with_name("file.part").write_bytes(left)
    get()
    assert path.read_bytes() == FILE and parts(path) == (True, False)


def test_a_part_that_is_whole_needs_no_server(one):
    server, path, get = one
    path.with_name("file.part").write_bytes(FILE)
    get()
    assert path.read_bytes() == FILE and server.sent == []


@pytest.mark.hostile("files damaged in the fetch")
@pytest.mark.parametrize("before", [None, b"of old"])
def test_a_wrong_checksum_leaves_what_was_there_and_nothing_else(one, before):
    server, path, get = one
    server.files["file"] = FILE[:-1] + b"?"
    if before:
        path.write_bytes(before)
    with pytest.raises(download.Damaged, match=r"^http\S+ is not the published file: its checksum differs$"):
        get()
    assert parts(path) == (before is not None, False) and (not before or path.read_bytes() == before)
    assert server.sent == [("file", len(FILE))], "what came from the beginning is not asked for twice"


@pytest.mark.hostile("files damaged in the fetch")
@pytest.mark.parametrize("publish", [google, amazon])
def test_the_stores_own_checksum_counts_where_none_is_known(one, publish):
    server, path, get = one
    server.headers = lambda body: publish(FILE)
    server.files["file"] = FILE[:-1] + b"?"
    with pytest.raises(download.Damaged):
        get("")
    server.files["file"], server.cut = FILE, 100_000
    with pytest.raises(download.Lost):
        get("")
    server.cut = None
    get("")
    assert path.read_bytes() == FILE and server.sent[-1] == ("file", 200_000)


def test_without_any_checksum_nothing_is_pieced_together(one):
    _, path, get = one
    path.with_name("file.part").write_bytes(b"x" * 1000)
    get("")
    assert path.read_bytes() == FILE


@pytest.mark.hostile("fetch cut off")
def test_an_answer_in_pieces_that_breaks_off_is_not_whole_though_nobody_said_how_long_it_is(one, monkeypatch):
    _, path, get = one

    def pieces(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n" % 1000 + FILE[:1000] + b"\r\n" + end)
        handler.close_connection = True

    monkeypatch.setattr(Handler, "do_GET", pieces)
    end = b"fff\r\nbroken"
    with pytest.raises(download.Lost, match=r"^the connection was lost after [0-9.]+k?B of http[^ ]+; run"):
        get("")
    assert not path.exists()
    end = b"0\r\n\r\n"
    get("")
    assert path.read_bytes() == FILE[:1000]


def test_a_file_that_is_not_there_and_a_server_that_is_not_are_told_apart(one, tmp_path):
    server, path, _ = one
    with pytest.raises(download.Gone, match=r"^http\S+ cannot be had: 404 Not Found$"):
        download.download([server.url + "other"], path)
    with pytest.raises(download.Lost, match=r"^http://127.0.0.1:9/file does not answer: .*refused$"):
        download.download(["http://127.0.0.1:9/file"], path)
    with pytest.raises(Failed, match=r"404 Not Found; http.* does not answer"):
        download.download([server.url + "other", "http://127.0.0.1:9/file"], path)
    assert not list(tmp_path.iterdir())


def test_the_next_mirror_goes_on_where_the_first_broke_off(one):
    server, path, _ = one
    server.files["mirror"] = FILE
    path.with_name("file.part").write_bytes(FILE[:250_000])
    download.download(["http://127.0.0.1:9/file", server.url + "mirror"], path, md5(FILE))
    assert path.read_bytes() == FILE and server.sent == [("mirror", 50_000)]


@pytest.mark.hostile("full disk")
def test_a_disk_that_is_full_is_one_line_and_the_next_call_goes_on(one):
    resource = pytest.importorskip("resource", reason="no limits on the size of a file on this system")
    server, path, get = one
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        with pytest.raises(Failed) as failure:
            get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (
        str(failure.value) == f"cannot write {path}.part for {server.url}file: File too large; "
        "make room and run the same command again"
    )
    assert parts(path) == (False, True)
    while not server.sent:  # its thread may still be at the first answer
        pass
    first = len(server.sent)
    get()
    assert path.read_bytes() == FILE and len(server.sent) == first + 1 and server.sent[-1][1] < len(FILE), (
        "what had room was kept"
    )


@pytest.mark.hostile("SIGKILL of a fetch")
def test_a_process_killed_midway_is_taken_up_where_it_stopped(tmp_path, one):
    """A real process, killed while the server holds its bytes back."""
    server, path, get = one
    held = threading.Event()
    write = Handler.do_GET

    def slow(handler):
        if handler.headers.get("Range"):
            return write(handler)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(FILE)))
        handler.end_headers()
        handler.wfile.write(FILE[:200_000])
        held.wait(20)

    Handler.do_GET = slow
    try:
        code = (
            "import sys; from pathlib import Path; from reuselab.sources import download; "
            "download.download([sys.argv[1]], Path(sys.argv[2]), sys.argv[3])"
        )
        process = subprocess.Popen([sys.executable, "-c", code, server.url + "file", path, md5(FILE)])
        part = path.with_name("file.part")
        for _ in range(1500):
            if part.exists() and part.stat().st_size >= 100_000:
                break
            process.poll() is None or pytest.fail("the process ended by itself")
            held.wait(0.01)
        process.kill()
        process.wait()
        held.set()
        have = part.stat().st_size
        assert 100_000 <= have <= 200_000 and not path.exists()
        get()
        assert path.read_bytes() == FILE and server.sent == [("file", len(FILE) - have)]
    finally:
        Handler.do_GET = write
        held.set()
