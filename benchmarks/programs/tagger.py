"""A part-of-speech tagger: a tiny bidirectional LSTM, one sentence of its own length at a time."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn, optim

TRAINING = [
    ("the dog ate the apple", "D N V D N"),
    ("everybody read that book", "N V D N"),
    ("she sees a small red bird in the old tree", "P V D A A N O D A N"),
    ("birds sing", "N V"),
    ("he gave the tall girl a very old map of the town", "P V D A N D R A N O D N"),
    ("the man who saw her slept", "D N P V P V"),
    ("a river runs through the green valley", "D N V O D A N"),
    ("we often walk", "P R V"),
]


def prepare_sequence(seq, to_ix):
    return torch.tensor([to_ix[w] for w in seq], dtype=torch.long)


class LSTMTagger(nn.Module):
    def __init__(self, embedding_dim, hidden_dim, vocab_size, tagset_size):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim // 2, bidirectional=True)
        self.hidden2tag = nn.Linear(hidden_dim, tagset_size)

    def forward(self, sentence):
        embeds = self.word_embeddings(sentence)
        lstm_out, _ = self.lstm(embeds.view(len(sentence), 1, -1))
        tag_space = self.hidden2tag(lstm_out.view(len(sentence), -1))
        return F.log_softmax(tag_space, dim=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(1)
    data = [(words.split(), tags.split()) for words, tags in TRAINING]
    word_to_ix = {w: i for i, w in enumerate(sorted({w for words, _ in data for w in words}))}
    tag_to_ix = {t: i for i, t in enumerate(sorted({t for _, tags in data for t in tags}))}
    model = LSTMTagger(8, 8, len(word_to_ix), len(tag_to_ix))
    loss_function = nn.NLLLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    run = torch.compile(model) if args.compile else model

    for step in range(args.steps):
        sentence, tags = data[step % len(data)]
        model.zero_grad()
        sentence_in = prepare_sequence(sentence, word_to_ix)
        targets = prepare_sequence(tags, tag_to_ix)
        tag_scores = run(sentence_in)
        loss = loss_function(tag_scores, targets)
        loss.backward()
        optimizer.step()
        if step % 80 == 0:
            print(f"step {step}: loss {loss.item():.4f}")

    with torch.no_grad():
        scores = model(prepare_sequence(data[0][0], word_to_ix))
        print("tags", scores.argmax(dim=1).tolist())


if __name__ == "__main__":
    main()
