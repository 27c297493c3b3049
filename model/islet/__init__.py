"""islet: the latent-per-span language model that latentd serves, and how it is trained.

config.py   what a configuration file may say
corpus.py   corpora on disk -> token arrays, split into segments
spans.py    tokens -> spans, the rule that the C code implements too
rows.py     token arrays -> training rows
layers.py   attention, feed-forward, norms, rotary positions
model.py    encoder, refiner, mixer, decoder
tokenwise.py  the token-level rival
models.py   which of the two a configuration describes
optimiser.py  Muon and AdamW
training.py the loop: schedule, checkpoints, progress, loss curve
ablations.py  short trainings of variants, and their table
gguf.py     writes the model file
evaluate.py reuse.py samples.py agreement.py  what a model file is worth, asked of the daemon
carry.py    what its latents carry
quotes.py   questions for what a document says, as training rows
export.py   checkpoint -> model file
vectors.py  what PyTorch computes, for the C tests
"""
