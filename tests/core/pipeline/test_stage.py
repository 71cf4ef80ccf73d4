import pytest

from text2face_core.errors import ArtifactError, BadPhoto, PluginError
from text2face_core.pipeline.stage import Clock, Failure, Stage


def reciprocal(numbers):
    if any(number == 13 for number in numbers):
        raise BadPhoto("thirteen")
    return [1 / number for number in numbers]


def test_a_batch_that_fails_is_asked_again_one_by_one():
    clock = Clock()
    results = Stage("toy", reciprocal, clock)([1, 0, 13, 4])
    assert results == [1.0, Failure("toy: ZeroDivisionError: division by zero"), Failure("thirteen"), 0.25]
    assert clock.total > 0


def test_an_empty_batch_calls_nothing():
    assert Stage("toy", lambda _: 1 / 0, Clock())([]) == []


def test_a_wrong_number_of_results_is_the_plugins_fault_and_stops_the_run():
    with pytest.raises(PluginError, match="toy gave 1 results for 2 inputs"):
        Stage("toy", lambda inputs: [1], Clock())([1, 2])


def test_errors_that_befall_every_photo_stop_the_run():
    def offline(_):
        raise ArtifactError("no model file")

    with pytest.raises(ArtifactError):
        Stage("toy", offline, Clock())([1, 2])
