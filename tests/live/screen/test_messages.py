import os
from pathlib import Path

from imaxproxy.live.screen.messages import NEWS_FOR_S, Messages


def test_the_last_line_is_news_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_bytes(b"")
    now_s = 0.0
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    messages = Messages(fd, lambda: now_s)
    assert messages() == ""
    os.write(fd, b"imaxproxy: first\nimaxproxy: \x1b[2Jsecond\n\n")
    assert messages() == "imaxproxy: �[2Jsecond"
    now_s = NEWS_FOR_S - 0.1
    assert messages() != ""
    now_s = NEWS_FOR_S
    assert messages() == ""
    os.write(fd, b"half a li")
    assert messages() == "half a li"
    os.close(fd)
