"""The arithmetic of the weights, and that the trained ones fit the features they are multiplied with."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.evidence import FEATURES
from generator.scoring import WEIGHTS_FILE, Linear, answer_features, evidence_models


def matrix_of(**columns: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = len(next(iter(columns.values())))
    matrix = np.zeros((rows, len(FEATURES)))
    for name, values in columns.items():
        matrix[:, FEATURES.index(name)] = values
    return matrix


def test_a_logit_is_the_weighted_sum() -> None:
    linear = Linear(np.array([2.0, -1.0]), 0.5)
    assert linear.logit(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist() == [-0.5, 0.5]
    assert linear.probability(np.array([0.25, 1.0])).item() == pytest.approx(0.5)


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.floats(-50, 50))
def test_weights_survive_being_written_and_read(coefficients: list[float], intercept: float) -> None:
    written = json.loads(json.dumps(Linear(np.array(coefficients), intercept).as_dict()))
    read = Linear.from_dict(written)
    assert read.coefficients == pytest.approx(coefficients, abs=1e-5)
    assert read.intercept == pytest.approx(intercept, abs=1e-5)


def test_a_retrieval_is_described_by_its_best_sentence_and_its_lead_over_other_passages() -> None:
    matrix = matrix_of(passage_rank=[1.0, 1.0, 0.5], passage_coverage=[0.2, 0.2, 0.9], log_length=[1.0, 2.0, 3.0])
    described = answer_features(matrix, np.array([1.0, 3.0, 0.5]))
    assert described.shape == (len(FEATURES) + 3,)
    assert described[: len(FEATURES)].tolist() == matrix[1].tolist()
    assert described[len(FEATURES) :].tolist() == [3.0, 2.5, 0.9]


@pytest.mark.parametrize("logits", [[9.0], [9.0, 1.0]])
def test_the_lead_is_limited_and_full_where_there_is_nothing_else(logits: list[float]) -> None:
    matrix = matrix_of(passage_rank=[1.0, 0.5][: len(logits)])
    assert answer_features(matrix, np.array(logits))[len(FEATURES) + 1] == 5.0


def test_the_trained_weights_fit_the_features() -> None:
    assert WEIGHTS_FILE.is_file(), "generator/evidence_weights.json is missing: run training/evidence.py"
    for model in evidence_models():
        assert model.sentence.coefficients.shape == (len(FEATURES),)
        assert model.answer.coefficients.shape == (len(FEATURES) + 3,)
        assert np.isfinite([*model.sentence.coefficients, *model.answer.coefficients, model.answer.intercept]).all()
