"""Tiny untrained encoders in Hugging Face folders, made on the spot, and dialogues to read with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from extraction.extractor import Clip
from extraction.weights import Weights
from summer.corpus import Dialogue, Split, Utterance, group_dialogues

SENTENCES = [
    "speaker 1 speaker 2 Monica: Ross: so what are we doing tonight",
    "I am so happy that you came, I love it! Oh my God, this is terrible and I hate it.",
    "why do all your coffee mugs have numbers on the bottom?",
]
POSITIONS = 64  # longest input of both encoders


def roberta_folder(folder: Path, *, seed: int = 0) -> Weights:
    """RoBERTa of 2 layers, 32 wide, with byte-level tokens."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=tokens, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=POSITIONS + 2,
        pad_token_id=1,
        initializer_range=0.3,  # wider than in training, so that different inputs differ clearly
    )
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return Weights(path=folder, sha256=f"{seed:064d}", source="given")


def bert_folder(folder: Path) -> Weights:
    """BERT of 1 layer, 16 wide, with whole words as tokens."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=200, special_tokens=tokens))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder)
    return Weights(path=folder, sha256="b" * 64, source="given")


def dialogue_of(
    turns: Sequence[tuple[str, str]], *, split: Split = Split.TRAIN, name: str = "0", label: str = ""
) -> Dialogue:
    """A dialogue of (speaker, text) turns."""
    utterances = tuple(
        Utterance(
            id=f"{split}/dia{name}_utt{turn}",
            split=split,
            dialogue=name,
            turn=turn,
            speaker=speaker,
            text=text,
            label=label,
        )
        for turn, (speaker, text) in enumerate(turns)
    )
    return Dialogue(split=split, name=name, utterances=utterances)


def clips_of(*dialogues: Dialogue) -> list[Clip]:
    """All utterances of the dialogues as clips without media."""
    return [Clip(utterance=u, dialogue=dialogue) for dialogue in dialogues for u in dialogue.utterances]


def emotional_clips(count: int, split: Split) -> list[Clip]:
    """Dialogues of two turns in which the words give the emotion away."""
    texts = {"joy": "I am so happy that you came, I love it!", "anger": "this is terrible and I hate it."}
    utterances = [
        Utterance(
            id=f"{split}/dia{number // 2}_utt{number % 2}",
            split=split,
            dialogue=str(number // 2),
            turn=number % 2,
            speaker=("Monica", "Ross")[number % 2],
            text=f"{texts[label]} {number}",
            label=label,
        )
        for number in range(count)
        for label in [("joy", "anger")[(number // 3) % 2]]
    ]
    return clips_of(*group_dialogues(utterances))
