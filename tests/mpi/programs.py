"""What the ranks of a job run. Each function returns something that JSON can say."""

import functools
import inspect
import itertools
import os
import signal
import sys
import threading
import time

import h5py
import numpy as np
from mpi4py import MPI

import netlib as nl
from netlib.training import channel

COMM = MPI.COMM_WORLD
RANK, SIZE = COMM.rank, COMM.size
RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((103, 6)), RNG.integers(0, 3, 103)
WEIGHTS = RNG.random(103)
IMAGES = RNG.standard_normal((40, 2, 5, 5))


def mlp(dtype, seed=0, dropout=False):
    layers = [nl.Affine(6, 16, rng=seed, dtype=dtype), nl.Tanh(), nl.Affine(16, 3, rng=seed + 1, dtype=dtype)]
    return nl.Sequential(*layers[:2], *([nl.Dropout(0.5, rng=7)] if dropout else []), layers[2])


def normed(dtype):
    layers = [
        nl.Affine(6, 16, bias=False, rng=0, dtype=dtype),
        nl.BatchNorm(16, dtype=dtype),
        nl.Tanh(),
        nl.Affine(16, 3, rng=1, dtype=dtype),
    ]
    return nl.Sequential(*layers)


def convolution(dtype):
    return nl.Sequential(
        nl.Conv2d(2, 4, 3, bias=False, rng=0, dtype=dtype), nl.BatchNorm(4, dtype=dtype), nl.ReLU(), nl.MaxPool2d(3),
        nl.Flatten(), nl.Affine(4, 3, rng=1, dtype=dtype),
    )  # fmt: skip


def without_scale(dtype):
    layers = [nl.BatchNorm(6, affine=False, dtype=dtype), nl.Affine(6, 3, rng=1, dtype=dtype)]
    return nl.Sequential(*layers)


def norm_first(dtype):
    return nl.Sequential(nl.BatchNorm(2, dtype=dtype), nl.ReLU(), *convolution(dtype))


def uneven_losses(*more):
    """Return a graph of losses of which each counts something else."""
    y, t, *weight = map(nl.Input, ("y", "t", *more))
    labels = nl.SoftmaxCrossEntropy(ignore_index=0)(y, t, *weight, name="labels")
    total = nl.Focal(reduction="sum")(y, t, name="total")
    return nl.Graph(inputs=[y, t, *weight], outputs=[labels * (0.5 + 0.01 * total)])


def as_images(x, t, rng):
    return x.reshape(-1, 2, 5, 5) + rng.random() * 0, t


def frozen(dtype):
    model = mlp(dtype)
    model[0].freeze()
    return model


def partly_frozen(dtype):
    model = normed(dtype)
    model[1].weight.trainable = False
    return model


def momentum(model):
    return nl.SGD(model, lr=0.05, momentum=0.9)


def slow(model):
    return nl.SGD(model, lr=0.02)


def scheduled(model):
    return nl.Adam(model, lr=nl.schedules.Cosine(0.02, 50), groups={"*.bias": {"weight_decay": 0.0}}, weight_decay=0.01)


CASES = {
    "uneven last batch": {},
    "a schedule and groups": {"optimizer": scheduled},
    "accumulated and clipped": {"accumulate": 3, "clip_norm": 0.5},
    "weights": {"sample_weight": WEIGHTS},
    "weights of 0 in whole shares": {"sample_weight": np.tile(np.repeat([1.0, 0.0], 4), 13)[:103], "shuffle": False},
    "weights of 0 in the first batch": {"sample_weight": np.repeat([0.0, 1.0], [8, 95]), "shuffle": False},
    "ignored labels": {"loss": lambda: nl.SoftmaxCrossEntropy(ignore_index=0)},
    "a sum": {"loss": lambda: nl.SoftmaxCrossEntropy(reduction="sum"), "optimizer": lambda model: nl.SGD(model, lr=0.005)},
    "a graph of losses": {"loss": uneven_losses, "accumulate": 2},
    "a graph of losses and fewer samples than ranks": {"loss": uneven_losses, "batch_size": 2, "epochs": 1, "optimizer": slow},
    "frozen": {"model": frozen},
    "partly frozen": {"model": partly_frozen, "batch_size": 9},
    "fewer samples than ranks": {"batch_size": 2, "epochs": 1, "optimizer": slow},
    "batch norm": {"model": normed},
    "batch norm of images": {"model": convolution, "x": IMAGES, "t": T[:40]},
    "batch norm as the first layer": {"model": norm_first, "x": IMAGES, "t": T[:40]},
    "batch norm and a transform with empty shares": {
        "model": norm_first,
        "x": IMAGES.reshape(40, 50),
        "t": T[:40],
        "batch_size": 2,
        "epochs": 1,
        "transform": as_images,
        "validation": None,
        "optimizer": slow,
    },
    "batch norm with empty shares": {"model": normed, "batch_size": 2, "epochs": 1, "optimizer": lambda model: nl.SGD(model, lr=0.002)},
    "batch norm without weight": {"model": without_scale},
    "recomputed": {"model": lambda dtype: nl.Recompute(normed(dtype)), "batch_size": 16, "epochs": 9},
    "without the last batch": {"drop_last": True},
    "L-BFGS": {"optimizer": lambda model: nl.LBFGS(model, iterations=4), "batch_size": 103, "epochs": 5},
    "L-BFGS and a graph of losses": {
        "loss": uneven_losses,
        "optimizer": lambda model: nl.LBFGS(model, iterations=4),
        "batch_size": 103,
        "epochs": 5,
    },
    "moved": {"transform": lambda x, t, rng: (x + 1, t)},
}


AMPLIFYING = ("batch norm", "batch norm with empty shares", "recomputed", "L-BFGS", "L-BFGS and a graph of losses")
"""Cases that amplify the rounding errors of float32: variances of few samples, and a line search."""


def train(case, dtype, communicator):
    """Train a model of this dtype, from the same numbers, those of float32."""
    options = {
        "model": mlp, "optimizer": momentum, "loss": nl.SoftmaxCrossEntropy, "x": X, "t": T, "batch_size": 8,
        "epochs": 5, **CASES[case],
    }  # fmt: skip
    make = options.pop("model")
    model = make(dtype)
    model.load_state_dict({path: array.astype(dtype) for path, array in make("float32").state_dict().items()})
    trainer = nl.Trainer(
        model, options.pop("loss")(), options.pop("optimizer")(model), {"accuracy": nl.accuracy, "f1": nl.f1_score},
        accumulate=options.pop("accumulate", 1), clip_norm=options.pop("clip_norm", None), seed=0, communicator=communicator,
    )  # fmt: skip
    history = trainer.fit(**{"validation": 0.2, **options}, progress=False)
    return trainer, history.to_dict()


def distance_of(a, b):
    """Return the norm of the difference of two states, all arrays together, relative to the norm of the first."""
    first, second = (np.concatenate([array.ravel() for array in state.values()]).astype("f8") for state in (a, b))
    return float(np.linalg.norm(first - second) / np.linalg.norm(first))


def distances():
    """Return how far a training on all ranks is from one alone: the arrays, and the history.

    The third number is how far one alone is from one in float64, because of rounding.
    """
    found = {}
    for case in CASES:
        exact, _ = train(case, "float64", None)
        for dtype in ("float32", "float64"):
            alone, expected = train(case, dtype, None)
            shared, history = train(case, dtype, COMM)
            assert alone.optimizer.steps == shared.optimizer.steps >= 5
            columns = [name for name in expected if name not in ("epoch", "seconds")]
            distance = max(float(np.max(np.abs(np.divide(history[name], expected[name]) - 1))) for name in columns)
            found[f"{case}, {dtype}"] = (
                distance_of(alone.model.state_dict(), shared.model.state_dict()), distance,
                distance_of(exact.model.state_dict(), alone.model.state_dict()),
            )  # fmt: skip
    return found


def weights_digest(model):
    return b"".join(array.tobytes() for array in model.state_dict().values()).hex()


def dropout_masks():
    """Return the digest of weights after a training with dropout, and what is random on this rank alone."""
    model = mlp("float32", dropout=True)
    if RANK:
        model[2]._rng = np.random.default_rng()  # rank 0's counts, which the trainer uses, too
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), rng=model[2]._rng, communicator=COMM)
    drawn = []

    def transform(x, t, rng):
        drawn.append(rng.random())
        return x + 0.1 * drawn[-1], t

    trainer.fit(X, T, epochs=2, batch_size=16, progress=False, transform=transform)
    return weights_digest(model), str(model[2]._rng.bit_generator.state["state"]["state"]), drawn[0]


def different_starts():
    """Return whether all begin with what rank 0 has: weights, optimizer state, seed."""
    model, twin = mlp("float32", seed=RANK), mlp("float32", seed=0)
    optimizers = momentum(model), momentum(twin)
    for optimizer, seed in zip(optimizers, (RANK, 0), strict=True):
        for gradient in optimizer.gradients():
            np.add(gradient, seed + 1, out=gradient)
        optimizer.step()
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizers[0], seed=RANK + 5, communicator=COMM)
    trainer.fit(X, T, epochs=2, batch_size=16, validation=0.2, progress=False)
    alone = nl.Trainer(twin, nl.SoftmaxCrossEntropy(), optimizers[1], seed=5)
    alone.fit(X, T, epochs=2, batch_size=16, validation=0.2, progress=False)
    return distance_of(twin.state_dict(), model.state_dict())


def differences(*kinds):
    """Return the error of a training whose rank 1 differs from the others, by what differs."""
    return {what: differing(what) for what in kinds}


def differing(what):
    other = RANK == 1
    width = 4 if what == "model" and other else 5
    model = nl.Sequential(nl.Affine(6, width, rng=0), nl.Affine(width, 3, rng=1))
    callbacks = [nl.EarlyStopping("loss", patience=9)] if what == "callbacks" and other else []
    lr = 0.2 if what == "optimizer" and other else 0.1
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=lr), callbacks=callbacks, seed=0, communicator=COMM)
    n = 100 if what == "sample counts" and other else 103
    x = X + (what == "samples" and other)
    options = {"validation": 0.2} if what == "validation" and other else {}
    if what == "validation samples":
        options = {"validation": (X + other, T)}
    epochs = 3 if what == "epochs" and other else 2
    before = weights_digest(model)
    try:
        if what.startswith("evaluated"):
            trainer.evaluate(*((X[:9], T[:9]) if what == "evaluated counts" and other else (X + other, T)))
        trainer.fit(x[:n], T[:n], epochs=epochs, batch_size=16, progress=False, **options)
    except nl.NetlibError as error:
        assert weights_digest(model) == before
        return str(error)
    return "no error"


def own_batches():
    """Return the distance of a training on each rank's own batches, of which some have fewer, from one alone."""
    n = 24
    shares = np.array_split(np.arange(n), SIZE)
    counts = [max(4 - rank, 1) for rank in range(SIZE)]  # rank 0 has 4 batches, rank 1 three

    def batches():
        for b in range(counts[RANK]):
            rows = shares[RANK][b : b + 5]
            yield X[rows], T[rows], WEIGHTS[rows]

    def whole():
        for b in range(4):
            rows = np.concatenate([share[b : b + 5] for share, count in zip(shares, counts, strict=True) if b < count])
            yield X[rows], T[rows], WEIGHTS[rows]

    models = []
    for of, communicator in ((whole, None), (batches, COMM)):
        model = normed("float64")
        trainer = nl.Trainer(model, uneven_losses("weight"), momentum(model), {"accuracy": nl.accuracy}, seed=0, communicator=communicator)
        history = trainer.fit(of, epochs=6, validation=of, progress=False)
        models.append((model, history["val_loss"], history["accuracy"]))
    (alone, loss, accuracy), (shared, its_loss, its_accuracy) = models
    assert accuracy == its_accuracy
    return distance_of(alone.state_dict(), shared.state_dict()), float(np.max(np.abs(np.subtract(loss, its_loss))))


def resumed_with_small_shares(path):
    """Return the losses of trainings that went on, and of one that went through, with shares of one sample and none."""
    found = []
    for name, epochs in ((path, 2), (path, 4), (f"{path}-whole.npz", 4)):
        model = normed("float64")
        callbacks = [nl.Checkpoint(name, every=2)]
        trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), slow(model), callbacks=callbacks, seed=0, communicator=COMM)
        history = trainer.fit(X[:18].reshape(18, 2, 3), T[:18], epochs=epochs, batch_size=4, progress=False, resume=name,
                              transform=lambda x, t, rng: (x.reshape(-1, 6), t))  # fmt: skip
        found.append(history["loss"])
    return found


def per_rank_statistics():
    """Return, for batch norm without synchronisation, this rank's running means, and those of its share alone."""
    model = normed("float64")
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=1e-9), seed=0, communicator=COMM, sync_batch_norm=False)
    trainer.fit(X[: SIZE * 16], T[: SIZE * 16], epochs=1, batch_size=SIZE * 16, shuffle=False, progress=False)
    first = X[:16] @ normed("float64")[0].weight.value
    few = normed("float64")  # the last batch of 2 samples joins the one before
    trainer = nl.Trainer(few, nl.SoftmaxCrossEntropy(), slow(few), seed=0, communicator=COMM, sync_batch_norm=False)
    trainer.fit(X[:18], T[:18], batch_size=8, progress=False)
    return model[1].running_mean.value.tolist(), (0.1 * first.mean(axis=0)).tolist()


def metrics():
    """Return the difference of metrics that need all outputs, and of evaluate, from those of one process."""
    model = nl.Sequential(nl.Affine(6, 1, rng=0, dtype="float64"))
    t = (T[:, None] > 0).astype(float)
    calls = []
    functions = {"auc": nl.roc_auc, "mine": lambda y, t: calls.append(1) or float(np.median(y[t > 0])), "r2": nl.r2_score}
    evaluated = []
    for communicator in (None, COMM):
        trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model), functions, communicator=communicator)
        calls.clear()
        evaluated.append(trainer.evaluate(X, t, batch_size=10, sample_weight=WEIGHTS))
    assert len(calls) == (RANK == 0)
    alone, shared = evaluated
    return max(abs(alone[name] - shared[name]) for name in alone)


class At(nl.Callback):
    """Calls a function in one place of a training, on one rank."""

    def __init__(self, rank, epoch, batch, function, hook="on_batch_end"):
        self.place, self.function = (rank, epoch, batch), function
        setattr(self, hook, self.look)

    def look(self, trainer):
        if self.place == (RANK, trainer.epoch, trainer.batch):
            self.function()


def resumed(path, epochs, dropout, every="2 batches"):
    """Train to `epochs` in all from the checkpoint at `path`, if there is one; return what is there at the end."""
    model = mlp("float64", dropout=dropout)
    callbacks = [nl.Checkpoint(path, every=every, keep=2, best="val_loss"), nl.CSVLog(path + ".csv"), nl.EarlyStopping(patience=9)]
    trainer = nl.Trainer(
        model, nl.SoftmaxCrossEntropy(), momentum(model), {"accuracy": nl.accuracy}, callbacks=callbacks, seed=0, communicator=COMM
    )
    history = trainer.fit(X, T, epochs=epochs, batch_size=16, validation=0.2, progress=False, resume=path)
    return weights_digest(model), {name: column for name, column in history.to_dict().items() if name != "seconds"}


def killed(path, epochs, dropout, batch):
    """Train likewise, until rank 1 is killed after a batch of epoch 2."""
    model = mlp("float64", dropout=dropout)
    callbacks = [
        nl.Checkpoint(path, every="2 batches", keep=2, best="val_loss"), nl.CSVLog(path + ".csv"), nl.EarlyStopping(patience=9),
        At(1, 2, batch, lambda: os.kill(os.getpid(), signal.SIGKILL)),
    ]  # fmt: skip
    trainer = nl.Trainer(
        model, nl.SoftmaxCrossEntropy(), momentum(model), {"accuracy": nl.accuracy}, callbacks=callbacks, seed=0, communicator=COMM
    )
    trainer.fit(X, T, epochs=epochs, batch_size=16, validation=0.2, progress=False)


class Pressing(nl.Layer):
    """Presses Ctrl-C on rank 1 in the first forward of batch 3 of epoch 2: each batch has four."""

    def __init__(self):
        self.n = 0

    def forward(self, x):
        self.n += self.training
        if (RANK, self.n) == (1, 33):
            signal.raise_signal(signal.SIGINT)
        return self.remember(x)

    def backward(self, dout):
        return self.recall(dout)[0]


def stops(folder):
    """Return where each training ended that rank 1 alone wants to stop, by how it does."""
    return {how: stopped(how, folder) for how in ("Ctrl-C", "Ctrl-C and L-BFGS", "stop", "stop at a step", "stop in the last batch",
                                                  "stop at the end", "patience")}  # fmt: skip


def stopped(how, folder):
    model = mlp("float32")
    press = At(1, 2, 3, lambda: signal.raise_signal(signal.SIGINT))
    stop = At(1, 2, 3, lambda: setattr(trainer, "stop", True))
    at_step = At(1, 2, 3, lambda: setattr(trainer, "stop", True), "on_step_begin")
    in_last = At(1, 2, 6, lambda: setattr(trainer, "stop", True))
    at_end = At(1, 2, 6, lambda: setattr(trainer, "stop", True), "on_epoch_end")
    patient = nl.EarlyStopping("val_loss", patience=1, min_delta=10.0)
    in_last.needed_to_resume = False  # else it would run before the checkpoint
    checkpoint = nl.Checkpoint(f"{folder}/run.npz", every=9)
    callbacks = {"Ctrl-C": [press], "Ctrl-C and L-BFGS": [], "stop": [stop], "stop at a step": [at_step],
                 "stop in the last batch": [checkpoint, in_last], "stop at the end": [at_end], "patience": [patient]}[how]  # fmt: skip
    optimizer = momentum(model)
    if how == "Ctrl-C and L-BFGS":
        model = nl.Sequential(*model, Pressing())
        optimizer = nl.LBFGS(model, iterations=2)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizer, callbacks=callbacks, seed=0, communicator=COMM)
    history = trainer.fit(X, T, epochs=9, batch_size=16, validation=0.2, progress=False)
    return trainer.epoch, trainer.batch, len(history), history.interrupted, weights_digest(model)


class Broken(nl.Layer):
    """Fails in the fifth forward on rank 1."""

    def __init__(self, result):
        self.result, self.n = result, 0

    def forward(self, x):
        self.n += RANK == 1 and self.training
        if self.n >= 5:
            if self.result is None:
                raise ZeroDivisionError("the fifth batch")
            x = x * self.result
        return self.remember(x)

    def backward(self, dout):
        (dout,) = self.recall(dout)
        return dout


def faults(*kinds):
    """Return what this rank says of each fault of another, all in one job."""
    said = {how: said_of(failing, how) for how in kinds}
    time.sleep(0.1)
    assert not any(isinstance(each, threading.Timer) for each in threading.enumerate())
    return said


def said_of(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def raise_at(text):
    """Raise an error on this rank as soon as it comes to a line of the channel with this text."""
    lines = [number for number, line in enumerate(inspect.getsource(channel).splitlines(), start=1) if text in line]
    assert lines

    def trace(frame, event, argument):
        if frame.f_code.co_filename == channel.__file__:
            if frame.f_lineno in lines:
                sys.settrace(None)
                raise ZeroDivisionError(f"at {text}")
            return trace
        return None

    sys.settrace(trace)


def failing(how):
    """Fail on rank 1 alone."""
    if how == "before a trainer" and RANK == 1:
        raise ZeroDivisionError("before a trainer")
    faults = {"forward": Broken(None), "non-finite loss": Broken(np.nan)}
    model = nl.Sequential(*normed("float32"), *([faults[how]] if how in faults else []))

    def raise_error():
        raise ZeroDivisionError("in a callback")

    callbacks = {
        "callback": At(1, 1, 3, raise_error),
        "step": At(1, 1, 3, raise_error, "on_step_begin"),
        "epoch end": At(1, 1, 6, raise_error, "on_epoch_end"),
        "fit end": At(1, 2, 6, raise_error, "on_fit_end"),
        "exit": At(1, 1, 3, functools.partial(sys.exit, 3)),
        "amid an operation": At(1, 1, 3, lambda: raise_at("self._comm.allgather(item)")),
        "deaf others": At(RANK, 1, 3, raise_error if RANK == 1 else COMM.Barrier),
        "drift": At(1, 1, 3, lambda: model[3].bias.value.__iadd__(1e-3)),
        "drift of the generator": At(1, 1, 3, lambda: trainer.rng.bit_generator.advance(1)),
        "nested": At(RANK, 1, 3, lambda: inner.fit(X, T, progress=False)),
        "second Ctrl-C": At(1, 1, 3, lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)]),
        "first rank's file": nl.Checkpoint("/proc/none/run.npz"),
    }
    chosen = [callbacks[how]] if how in callbacks else []
    channel.PATIENCE = 0.5 if how == "deaf others" else 30.0
    twin = mlp("float32")
    inner = nl.Trainer(twin, nl.SoftmaxCrossEntropy(), momentum(twin), callbacks=[At(1, 1, 2, raise_error)], communicator=COMM)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), callbacks=chosen, seed=0, communicator=COMM)
    if how == "before fit" and RANK == 1:
        raise ZeroDivisionError("before fit")
    if how == "exit before fit" and RANK == 1:
        sys.exit(3)
    if how == "no fit":
        if RANK == 1:
            return
        assert said_of(trainer.fit, X, T).startswith("RankError: Trainer: rank 1 has come to the end of the program")
    if how == "bad samples" and RANK == 1:
        trainer.fit(X, T[:50], epochs=2, batch_size=16, progress=False)
    trainer.fit(X, T, epochs=2, batch_size=16, validation=0.2, progress=False)
    if how == "after fit" and RANK == 1:
        raise ZeroDivisionError("after fit")
    if how == "evaluate on one rank" and RANK == 0:
        trainer.evaluate(X, T)
    if how == "different calls":
        trainer.evaluate(X, T) if RANK == 0 else trainer.fit(X, T, progress=False)
    if how == "two threads":
        fits = [threading.Thread(target=each.fit, args=(X, T, 500), kwargs={"progress": False}) for each in (trainer, inner)]
        inner.callbacks = []
        for thread in fits:
            thread.start()
        for thread in fits:
            thread.join()


def communicators():
    """Train over a part of the ranks, and return the errors for what no communicator is."""
    part = COMM.Split(RANK == 1)  # ranks 0 and 2, and rank 1 alone
    none = COMM.Split(0 if RANK == 1 else MPI.UNDEFINED)
    found = []
    for communicator in (part, None):
        model = mlp("float64")
        trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), seed=0, communicator=communicator)
        trainer.fit(X, T, epochs=2, batch_size=16, progress=False)
        found.append((trainer.rank, trainer.ranks.size, model.state_dict()))
    (rank, size, of_part), (_, _, alone) = found
    wrong = [said_of(functools.partial(nl.Trainer, model, nl.SoftmaxCrossEntropy(), momentum(model), communicator=each))
             for each in ("COMM_WORLD", none)]  # fmt: skip
    arrays = [np.full(3, 2048 - 2047 * (RANK > 0), np.float16), np.ones((2, 3))[:, ::2], np.ones(2), np.ones((2, 2), np.float32).T[:1]]
    channel.channel_of(COMM).sum(arrays)
    return rank, size, distance_of(alone, of_part), wrong, [each.ravel().tolist() for each in arrays]


def found_rates():
    """Return the suggested learning rate, where the ranks began with different weights."""
    model = mlp("float32", seed=RANK)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), seed=RANK, communicator=COMM)
    return nl.find_lr(trainer, X, T, batch_size=16, end=1e3).suggestion


def threads():
    """Return how many threads the matrix library and netlib use in a training, and after it."""
    from threadpoolctl import threadpool_info

    from netlib.kernels.threads import count_cores

    def used():
        return max(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"), count_cores()

    found = []
    model = mlp("float32")
    trainer = nl.Trainer(
        model, nl.SoftmaxCrossEntropy(), momentum(model), callbacks=[At(RANK, 1, 1, lambda: found.append(used()))], communicator=COMM
    )
    before = used()
    trainer.fit(X, T, epochs=1, batch_size=16, progress=RANK == 0)
    return trainer.ranks.threads, found[0], before == used(), len(os.sched_getaffinity(0))


def shown():
    """Train with progress on all ranks."""
    model = mlp("float32")
    trainer = nl.Trainer(model, nl.MeanSquaredError(), momentum(model), communicator=COMM)
    import warnings

    model = nl.Sequential(*mlp("float32"), nl.Softmax())
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), communicator=COMM)
    with warnings.catch_warnings(record=True) as caught_here:
        warnings.simplefilter("always")
        trainer.fit(X, T, epochs=2, batch_size=16)
    return len(caught_here)


def until_interrupted():
    """Train until Ctrl-C, and return whether it came."""
    model = mlp("float32")
    say = At(0, 1, 1, lambda: print("begun", flush=True))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), callbacks=[say], seed=0, communicator=COMM)
    return trainer.fit(X, T, epochs=10**6, progress=False).interrupted


def opened(path):
    """Return the rows of a file, which stay on disk."""
    return np.load(path, mmap_mode="r") if path.endswith(".npy") else h5py.File(path)["x"]


def on_disk(path):
    """Return the distance of a training on a file that all ranks open from one in memory."""
    if RANK == 0 and path.endswith(".npy"):
        np.save(path, X)
    elif RANK == 0:
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=X, chunks=(7, 6))
    COMM.Barrier()
    models = []
    for x, communicator in ((X, None), (opened(path), COMM)):
        model = mlp("float64")
        trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), seed=0, communicator=communicator)
        trainer.fit(x, T, epochs=2, batch_size=16, validation=0.2, progress=False)
        models.append(model.state_dict())
    return distance_of(*models)


def shards(folder):
    """Return the distance of a training on five files, divided among the ranks, from one alone on whole batches."""
    paths = [f"{folder}/{i}.npz" for i in range(5)]
    rows = np.split(np.arange(103), [30, 41, 70, 90])
    if RANK == 0:
        for path, of_file in zip(paths, rows, strict=True):
            np.savez(path, x=X[of_file], t=T[of_file])
    COMM.Barrier()

    def of_rank(rank, epoch):
        order = np.random.default_rng((rank, epoch))
        mine = paths[rank::SIZE]
        for i in order.permutation(len(mine)):
            with np.load(mine[i]) as file:
                x, t = file["x"], file["t"]
            shuffled = order.permutation(len(x))
            for start in range(0, len(x), 8):
                yield x[shuffled[start : start + 8]], t[shuffled[start : start + 8]]

    def whole(epoch):
        for parts in itertools.zip_longest(*(of_rank(rank, epoch) for rank in range(SIZE))):
            yield [np.concatenate(arrays) for arrays in zip(*filter(None, parts), strict=True)]

    models = []
    for batches, communicator in ((whole, None), (functools.partial(of_rank, RANK), COMM)):
        model = mlp("float64")
        trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), momentum(model), seed=0, communicator=communicator)
        for epoch in range(3):
            trainer.fit(functools.partial(batches, epoch), epochs=1, progress=False)
        models.append(model.state_dict())
    return distance_of(*models)
