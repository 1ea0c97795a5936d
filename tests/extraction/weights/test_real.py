"""The real weights against what others make of them: TensorFlow on the graph, and the pack's own library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from transformers import AutoModel, AutoTokenizer

from extraction import weights
from extraction.weights import Weights, WeightsUnavailable, states
from extraction.weights.language import GRANITE
from tests.fixtures.make_vggface2_oracle import standardised, waves
from tests.places import REPOSITORY

pytestmark = pytest.mark.weights
ORACLE = REPOSITORY / "tests" / "fixtures" / "vggface2_oracle.npz"

# First eight and last two numbers of Embedder(offline=True).embed_passages of holographic-memory-py 0.6.3
PACK_VECTORS = {
    "Where is my note?": (
        [-0.035756, 0.055597, -0.03053, -0.02312, -0.035404, -0.039063, 0.018806, 0.002797],
        [-0.156299, -0.02542],
    ),
    "Oh—my “God”, I can’t believe it!!": (
        [-0.028381, 0.029388, 0.067525, 0.000336, 0.000345, -0.038348, -0.023689, 0.028452],
        [-0.233569, 0.01901],
    ),
}


def had(find: Callable[[], Weights]) -> Weights:
    """The weights, or a skip where no source has them; any other trouble is a failure."""
    try:
        return find()
    except WeightsUnavailable as problem:
        if "no source has" not in str(problem):
            raise
        pytest.skip(str(problem))


def test_the_converted_face_network_says_what_its_graph_says_in_tensorflow() -> None:
    found = had(weights.vggface2)
    model = InceptionResnetV1(classify=False).eval()
    model.load_state_dict(states.load_vggface2(found), strict=True)
    with np.load(ORACLE) as oracle:
        shifts, expected = oracle["shifts"], oracle["embeddings"]
    images = torch.from_numpy(np.stack([standardised(waves(shift)) for shift in shifts]))
    with torch.no_grad():
        embeddings = model(images.permute(0, 3, 1, 2)).numpy()
    assert np.abs(expected[0] - expected[1]).max() > 0.01  # the two images are told apart
    np.testing.assert_allclose(
        embeddings, expected, atol=1e-5
    )  # 1e-7 was measured; one wrong layer gives 1e-2


def test_the_unpacked_text_model_says_what_the_packs_own_library_says() -> None:
    folder = had(lambda: weights.text_model(GRANITE)).path
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False).eval()
    assert len(tokenizer) == model.config.vocab_size == 50265
    assert model.config.max_position_embeddings == 514
    for text, (first, last) in PACK_VECTORS.items():
        with torch.no_grad():
            state = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0]
        vector = torch.nn.functional.normalize(state, dim=0).numpy()
        np.testing.assert_allclose(vector[:8], first, atol=2e-6)
        np.testing.assert_allclose(vector[-2:], last, atol=2e-6)


def test_the_tokenizer_is_roberta_bases_own() -> None:
    folder = had(lambda: weights.text_model(GRANITE)).path
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # known ids of roberta-base: "Hello world" and the special tokens
    assert tokenizer("Hello world")["input_ids"] == [0, 31414, 232, 2]
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]) == [0, 1, 2, 3, 50264]
