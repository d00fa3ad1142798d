"""Damage files in every way and read them: `python tests/files/fuzz.py --files 1000000 --seed 0 --jobs 2`.

Each file must give a FormatError or a result. Nothing may be imported, executed or opened, no file
may take more than 100 ms of CPU time, and an allocation of more than 64 MiB fails. File number i
depends on the seed and on i alone: `--first i --files 1` makes it again, and `--keep folder` writes
it there. Linux only, for its limits of memory.
"""

import argparse
import copy
import io
import json
import os
import random
import resource
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

import netlib as nl

MAX_SECONDS = 0.1
MAX_BYTES = 64 << 20
BATCH = 2000
TEXT = "__netlib__.npy"


class Scale(nl.Layer):
    """A user's layer, with arguments of many kinds and attributes that change."""

    def __init__(self, features, power=1.0, *, names=("a", "b"), table=None, activation=nl.ReLU, inner=()):
        self.features, self.power, self.names, self.table = features, power, names, table
        self.activation, self.inner = activation, inner
        if features > 1000:  # netlib cannot bound what a user's constructor allocates
            raise ValueError("too many features")
        self.weight = nl.Parameter(np.ones(features))
        self.mean = nl.Buffer(np.zeros(features))
        self.affine = nl.Affine(features, features, rng=0)
        self.calls, self.seen = 0, [1, (2, None)]

    def forward(self, x):
        return self.remember(x * self.weight.value, x)

    def backward(self, dout):
        dout, x = self.recall(dout)
        self.weight.grad += (dout * x).sum(axis=0)
        return dout * self.weight.value


class Head(nl.Sequential):
    """A user's container."""

    def __init__(self, features, classes=2):
        super().__init__(nl.Affine(features, classes, rng=0), nl.Softmax())
        self.features, self.classes = features, classes


CLASSES = [Scale, Head]


def models():
    """Yield models with everything that a file can hold."""
    shared, rng = nl.Affine(3, 3, rng=0), np.random.default_rng(0)
    yield nl.Sequential(("first", shared), nl.Dropout(0.5, rng=rng), nl.Dropout(0.2, rng=rng), shared.tied_copy(), nl.Tanh())
    x, z = nl.Input("x"), nl.Input("z")
    w, c = nl.Weight("w", np.ones((3, 2), np.float32)), nl.Constant("c", np.arange(2.0))
    h = nl.Affine(3, 2, rng=0)(x, name="h")
    yield nl.Graph([x, z], [h * z + c, nl.Softplus()(x @ w)])
    legacy = np.random.Generator(np.random.MT19937(0))
    part = nl.Residual(nl.Sequential(nl.Affine(4, 4, bias=False, dtype="float64", rng=0), nl.Dropout(0.1, rng=legacy)))
    yield nl.Sequential(nl.Reshape((-1, 4)), part, nl.Recompute(nl.Transpose()), nl.Sum(axis=(0, 1), keepdims=True)).eval()
    table = {"k": [1, 2.5, -0.0, float("nan")], "s": slice(1, None, 2), "d": np.float32, "n": np.int16(3), "a": np.arange(3)}
    scale = Scale(3, 2.0, names=("é", "b", ("c",)), table=table, activation=nl.Tanh, inner=[nl.ELU(0.5), nl.LogSoftmax(0)])
    scale.calls, scale.power = 7, 0.25
    yield nl.Sequential(scale, Head(3)).freeze()
    yield nl.SoftmaxCrossEntropy(label_smoothing=0.1)


class File:
    """A valid file, its bytes, and its members if it is an archive."""

    def __init__(self, suffix, content):
        self.suffix, self.content = suffix, content
        self.members = {}
        if suffix == ".npz":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                self.members = {name: archive.read(name) for name in archive.namelist()}
        self.is_model = b"__netlib__" in content or b'"netlib":' in content

    def text(self):
        """Return the JSON text of the file, or None."""
        if self.suffix == ".npz":
            return self.members[TEXT][128:].decode() if TEXT in self.members else None
        n = struct.unpack_from("<Q", self.content)[0]
        return self.content[8 : 8 + n].decode()

    def with_text(self, text):
        """Return the file with another JSON text, and all lengths and checksums right."""
        new = text.encode("utf-8", "replace")
        if self.suffix == ".npz":
            file = io.BytesIO()
            np.lib.format.write_array(file, np.frombuffer(new, np.uint8))
            return zip_of({**self.members, TEXT: file.getvalue()})
        n = struct.unpack_from("<Q", self.content)[0]
        return struct.pack("<Q", len(new)) + new + self.content[8 + n :]


def zip_of(members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that occurs twice
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def valid_files(folder):
    """Return files of all kinds."""
    rng = np.random.default_rng(0)
    state = {
        "0.weight": rng.normal(size=(3, 4)).astype(np.float32),
        "0.bias": np.zeros(4),
        "flags": np.array([True, False]),
        "n": np.int64(7),
        "half": np.ones((2, 1, 2), np.float16),
        "none": np.zeros((0, 3)),
        "é/x": np.arange(5, dtype=np.uint8),
        "big": np.arange(6.0).reshape(2, 3),
    }
    paths = []
    for suffix in (".npz", ".safetensors"):
        paths.append(folder / f"state{suffix}")
        nl.save_state(state, paths[-1])
        for i, model in enumerate(models()):
            paths.append(folder / f"model{i}{suffix}")
            nl.save(model, paths[-1])
    foreign = {**state, "swapped": np.arange(4, dtype=">f8"), "fortran": np.ones((2, 3), order="F")}
    for save in (np.savez, np.savez_compressed):
        paths.append(folder / f"{save.__name__}.npz")
        save(paths[-1], **foreign)
    paths.append(folder / "bf16.safetensors")
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}, "__metadata__": {"format": "pt"}}).encode()
    paths[-1].write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    return [File(path.suffix, path.read_bytes()) for path in paths]


NUMBERS = [0, 1, 2, 3, 7, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 624, 625, 10**6, 10**12, 2**63, 2**64, 2**128, -(2**63), 10**99, 0.5, 1.5, -0.0, 1e300),
    *("", "x", "0", "weight", "a.b", "float64", "O", "f8,f8", "nan", "\ud800", "\0", "../x", [], [0], [[]], {}, {"a": 1}),
    *({"layer": 0}, {"node": [0, 0]}, {"array": "0.weight"}, {"generator": 0}, {"input": "q"}, {"class": "Affine"}),
    *({"class": "Sequential"}, {"user class": "Scale"}, {"initializer": "He", "arguments": {}}, {"float": "inf"}),
    *({"dtype": "float32"}, {"scalar type": "float32"}, {"scalar": "int8", "value": 3}, {"tuple": []}, {"slice": [0, 1, 2]}),
    {"dict": [["a", 1]]},
]
RECORDS = [b"PK\1\2", b"PK\5\6", b"PK\3\4", b"PK\6\6"]
TEXTS = ["", "NaN", "-Infinity", "1e999", "9" * 5000, '"', "\\ud800", "{", "}", "]", ",", ":", "\0"]
HEADERS = [
    *(("<f4", new) for new in ("|O", "<f8", ">f4", "|S0", "|V8", "<M8[s]", "<c8")),
    *(("(", f"({n}, ") for n in [*NUMBERS, 10**12]),
    *((", )", new) for new in (")", ", 0)", ", -1)", ", 2)")),
    *(("False", "True"), ("'shape'", "'shape': (1,), 'shape'")),
]
NAMES = ["a.npy", "../a.npy", "/a.npy", "x", "x.txt", "", ".npy", "__netlib__.0.npy", "a\\b.npy", "é" * 300 + ".npy"]
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
FORBIDDEN = ("os.", "subprocess.", "socket.", "pickle.", "ctypes.", "marshal.")


def flip(file, rng):
    content = bytearray(file.content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def change_bytes(file, rng):
    content = bytearray(file.content)
    i = rng.randrange(len(content))
    content[i : i + rng.choice([0, 1, 4, 8])] = rng.choice([b"", b"\0", b"\xff" * 4, b"PK\3\4", rng.randbytes(4), bytes(64)])
    return content


def change_number(file, rng):
    """Write a striking number somewhere, preferably into a record of the archive."""
    content = bytearray(file.content)
    end = rng.randrange(len(content)) + 4
    starts = [i for i in (content.rfind(record, 0, end) for record in RECORDS) if i >= 0]
    start = rng.choice(starts or [0])
    kind = rng.choice(["<H", "<I", "<Q"])
    i = min(start + rng.randrange(60), len(content) - 8)
    struct.pack_into(kind, content, max(i, 0), rng.choice(NUMBERS) % 2 ** (8 * struct.calcsize(kind)))
    return content


def truncate(file, rng):
    content = file.content
    return rng.choice([content[: rng.randrange(len(content))], content[rng.randrange(40) :], content + rng.randbytes(rng.randrange(1, 30))])


def splice(file, rng, others):
    a, b = file.content, rng.choice(others).content
    return a[: rng.randrange(len(a))] + b[rng.randrange(len(b)) :]


def repeat_block(file, rng):
    content = file.content
    a, b = sorted((rng.randrange(len(content)), rng.randrange(len(content))))
    return content[:b] + content[a:b] * rng.choice([1, 2, 50]) + content[b:]


def containers_in(value):
    """Return every list and dict in a JSON value that is not empty."""
    containers, stack = [], [value]
    while stack:
        each = stack.pop()
        if each:
            containers.append(each)
        for key in range(len(each)) if isinstance(each, list) else list(each):
            if isinstance(each[key], list | dict):
                stack.append(each[key])
            elif isinstance(each[key], str) and each[key][:1] == "{":  # netlib's text in the header of safetensors
                each[key] = Embedded(json.loads(each[key]))
                stack.append(each[key])
    return containers


def place(containers, rng):
    container = rng.choice(containers)
    return container, rng.randrange(len(container)) if isinstance(container, list) else rng.choice(list(container))


class Embedded(dict):
    """JSON as a text inside JSON."""


def dumps(value):
    def plain(each):
        if isinstance(each, Embedded):
            return json.dumps(plain(dict(each)))
        if isinstance(each, dict):
            return {key: plain(inner) for key, inner in each.items()}
        return [plain(inner) for inner in each] if isinstance(each, list) else each

    return json.dumps(plain(value), ensure_ascii=False)


def change_json(file, rng):
    text = file.text()
    if text is None:
        return flip(file, rng)
    value = json.loads(text)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        containers = containers_in(value)
        if not containers:
            break
        container, key = place(containers, rng)
        action = rng.randrange(6)
        if action == 0:
            del container[key]
        elif action == 1 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif action == 2 and isinstance(container, dict):
            container[rng.choice(["x", "class", "input", "arguments", "layer", key + "x", "0.weight", "é"])] = container.pop(key)
        elif action == 3:
            source, other = place(containers, rng)
            container[key] = copy.deepcopy(source[other])
        elif action == 4 and isinstance(container[key], int):
            container[key] = container[key] + rng.choice([-1, 1, 10**12]) * rng.choice([1, 1, -1])
        else:
            container[key] = copy.deepcopy(rng.choice(VALUES))
    return file.with_text(dumps(value))


def change_json_text(file, rng):
    text = file.text()
    if text is None:
        return flip(file, rng)
    i = rng.randrange(len(text))
    j = i + rng.choice([0, 1, 1, 5, 30])
    deep = rng.choice([50, 300, 3000, 100_000])
    new = rng.choice([*TEXTS, "[" * deep, '{"a":' * deep, text[i : i + 40]])
    return file.with_text(text[:i] + new + text[j:])


def change_member(file, rng):
    """Change the members of an archive, and make a new one around them."""
    if not file.members:
        return change_json_text(file, rng)
    members = list(file.members.items())
    i = rng.randrange(len(members))
    name, content = members[i]
    changed = bytearray(content)
    action = rng.randrange(7)
    if action == 0:
        header = content[10:128].decode("latin-1")
        old, new = rng.choice(HEADERS)
        new_header = header.replace(old, new).rstrip()
        changed = bytearray(content[:8] + struct.pack("<H", len(new_header) + 1) + new_header.encode("latin-1") + b"\n" + content[128:])
    elif action == 1:
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif action == 2:
        changed = changed[: rng.randrange(len(changed))]
    elif action == 3:
        changed += rng.randbytes(rng.randrange(1, 9))
    elif action == 4:
        name = rng.choice([*NAMES, members[0][0]])
    elif action == 5:
        members.append(rng.choice(members))
    else:
        del members[rng.randrange(len(members))]
        i = 0
    if members and action != 6:
        members[i] = name, bytes(changed)
    return zip_of(members, rng.choice(METHODS))


def mutate(file, rng, others):
    """Return the bytes of a damaged file."""
    mutation = rng.choices(
        [flip, change_bytes, change_number, truncate, splice, repeat_block, change_json, change_json_text, change_member],
        [3, 2, 3, 1, 1, 1, 8, 2, 3],
    )[0]
    content = mutation(file, rng, others) if mutation is splice else mutation(file, rng)
    return mutation.__name__, bytes(content)


class Guard:
    """Notes what a read must not do: it imports, executes, or opens other files."""

    def __init__(self):
        self.allowed, self.events = None, []
        sys.addaudithook(self.hook)  # there is no way to remove it

    @classmethod
    @cache
    def of_this_process(cls):
        return cls()

    def hook(self, event, arguments):
        if self.allowed is None:
            return
        if event == "open" and os.fspath(arguments[0]) == self.allowed:
            return
        if event in ("import", "exec", "compile", "open") or event.startswith(FORBIDDEN):
            self.events.append(f"{event} {str(arguments[:2])[:100]}")


def read(path, is_model):
    """Read a file, and look at what came out of it."""
    if not is_model:
        return sum(array.nbytes for array in nl.load_state(path).values())
    model = nl.load(path, classes=CLASSES)
    return len(repr(model)), sum(array.nbytes for array in model.state_dict().values())


def run(first, n, seed, keep=None):
    """Read n damaged files, and return counts, the slowest and largest, and what was wrong."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message=".*bfloat16")
    counts, wrong, slowest = Counter(), [], (0.0, 0)
    guard = Guard.of_this_process()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        files = valid_files(Path(folder))
        paths = {suffix: os.path.join(folder, f"damaged{suffix}") for suffix in (".npz", ".safetensors")}
        for file in files * 2:  # so that everything is imported
            for content in (file.content, file.content[:-9]):
                Path(paths[file.suffix]).write_bytes(content)
                try:
                    read(paths[file.suffix], file.is_model)
                except nl.FormatError:
                    assert content != file.content
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(first, first + n):
            rng = random.Random(seed << 40 | i)
            file = rng.choice(files)
            kind, content = mutate(file, rng, files)
            path = paths[file.suffix]
            with open(path, "wb") as target:
                target.write(content)
            limit_memory(used_memory() + MAX_BYTES)
            guard.allowed, fault = path, None
            started = time.process_time()
            try:
                read(path, file.is_model)
                counts[f"{kind}: read"] += 1
            except nl.FormatError as error:
                counts[f"{kind}: refused"] += 1
                fault = "took more than 64 MiB" if isinstance(error.__cause__, MemoryError) else None
            except BaseException as error:
                fault = f"{type(error).__name__}: {str(error)[:200]}"
            seconds, guard.allowed = time.process_time() - started, None
            limit_memory(resource.RLIM_INFINITY)
            slowest = max(slowest, (seconds, i))
            if seconds > MAX_SECONDS:
                fault = f"took {seconds:.3f} s"
            if guard.events:
                fault = f"did {guard.events}"
                guard.events.clear()
            if fault:
                wrong.append(f"file {i}, {kind} of {len(content)} bytes{file.suffix}: {fault}")
            if keep:
                Path(keep, f"{i}{file.suffix}").write_bytes(content)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    return counts, wrong, slowest, grown


def used_memory():
    """Return how many bytes of memory this process may write to."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[5]) * resource.getpagesize()


def limit_memory(n_bytes):
    resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, resource.RLIM_INFINITY))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="how many files (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="how many processes (default: %(default)s)")
    parser.add_argument("--keep", help="a folder to write the damaged files to")
    args = parser.parse_args()
    counts, wrong, slowest, grown = Counter(), [], (0.0, 0), 0
    starts = range(args.first, args.first + args.files, BATCH)
    sizes = [min(BATCH, args.first + args.files - start) for start in starts]
    n = len(starts)
    with ProcessPoolExecutor(args.jobs) as executor:
        for done in executor.map(run, starts, sizes, [args.seed] * n, [args.keep] * n):
            counts += done[0]
            wrong += done[1]
            slowest, grown = max(slowest, done[2]), max(grown, done[3])
            print(f"\r{sum(counts.values()):,} files", end="", file=sys.stderr, flush=True)
            for line in done[1]:
                print(line, flush=True)
    for kind, count in sorted(counts.items()):
        print(f"{count:9,} {kind}")
    print(f"slowest: {slowest[0] * 1000:.1f} ms of CPU time, file {slowest[1]}; {BATCH:,} files needed at most {grown / 1024:.1f} MiB more")
    print(f"{sum(counts.values()) + len(wrong):,} files, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
