"""The server as a process: real requests over real connections."""
import pytest


def test_a_promoted_version_answers_raw_rows(server):
    answer = server.post({"jsonData": {"rows": [{"amount": " 1.5 ", "channel": " Online", "limit": 1}]}})
    print(answer.status_code, answer.text, server.errors.read_text())
    assert answer.status_code == 200
