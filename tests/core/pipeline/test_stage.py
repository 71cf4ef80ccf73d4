import pytest

from text2face_core.errors import ArtifactError, BadPhoto
from text2face_core.pipeline.stage import Clock, Failure, Stage


def reciprocal(numbers):
    if any(number == 13 for number in numbers):
        raise BadPhoto("thirteen")
    return [1 / number for number in numbers]


def test_a_batch_that_fails_is_asked_again_one_by_one():
    clock = Clock()
    results = Stage("toy", reciprocal, clock, float)([1, 0, 13, 4])
    assert results == [1.0, Failure("toy: ZeroDivisionError: division by zero"), Failure("thirteen"), 0.25]
    assert clock.total > 0


def test_an_empty_batch_calls_nothing():
    assert Stage("toy", lambda _: 1 / 0, Clock(), float)([]) == []


@pytest.mark.parametrize("results", [[1], [1, 2, 3], [], None, 7, "12", (n for n in (1, 2))])
def test_a_wrong_number_of_results_is_the_failure_of_each_input(results):
    failures = Stage("toy", lambda inputs: results if len(inputs) > 1 else None, Clock(), float)([1, 2])
    assert failures == [Failure("toy: gave a NoneType, not a list of results")] * 2


def test_a_component_that_ignores_the_size_of_its_batch_is_asked_one_by_one():
    assert Stage("toy", lambda inputs: [5], Clock(), float)([1, 2]) == [5.0, 5.0]


def test_errors_that_affect_every_photo_stop_the_run():
    def offline(_):
        raise ArtifactError("no model file")

    with pytest.raises(ArtifactError):
        Stage("toy", offline, Clock(), float)([1, 2])
