"""500 concurrent requests to a server process: all are answered correctly."""

from serving import measure


def test_five_hundred_requests_at_once(small_run, domains):
    measured = measure(small_run, domains[0], 500)
    assert measured["lost_or_wrong"] == 0
    assert measured["images_per_second"] > 50
    assert 0 < measured["p50_seconds"] <= measured["p99_seconds"] < 10
