"""Which work arrays share memory, worked out by hand for programs of a few operations."""

from types import SimpleNamespace

import numpy as np
import pytest

from netlib.containers.memory import Block, WorkArrays
from netlib.containers.plan import Spec
from netlib.kernels.fused.fusion import Fusion

USES = {
    "lone": {},
    "keeping": {"keeps_inputs": True},
    "scratch": {"needs_scratch": True},
    "passing": {"passes_dout_on": True},
    "image": {"layout": "channels last"},
    "any": {"layout": "any"},
}
FUSIONS = {name: Fusion(*[None] * 3, **{"keeps_inputs": False, **uses}) for name, uses in USES.items()}
UNNAMED = "a user's layer"


def work_arrays(*pieces, sizes=(), outputs=None, shape=None):
    """Return the work arrays of pieces that read these slots; slot 0 is the input, piece i writes slot i + 1."""
    steps = [
        SimpleNamespace(sources=sources, target=i, targets=(i,), kernel="" if name == UNNAMED else "named")
        for i, (name, *sources) in enumerate(pieces, start=1)
    ]
    outputs = outputs or (len(steps),)
    exposed = {0, *outputs} | {step.target for step in steps if not step.kernel}
    program = SimpleNamespace(steps=steps, n_inputs=1, outputs=outputs, exposed=exposed)
    specs = {slot: Spec(shape or (4, size), np.dtype("f8")) for slot, size in enumerate(sizes or [3] * (len(steps) + 1))}
    return WorkArrays(program, [(FUSIONS.get(name), (step,)) for (name, *_), step in zip(pieces, steps, strict=True)], specs)


def sharing(arrays):
    """Return a letter for each array, the same for those in the same block, and - for those in none."""
    owners = [id(getattr(array, "base", None)) for array in arrays]
    known = [owner for owner in dict.fromkeys(owners) if owner != id(None)]
    return "".join("-" if owner == id(None) else "ABCDEFGH"[known.index(owner)] for owner in owners)


def values(arrays, n):
    return sharing([arrays.memory(i, {}).y for i in range(n)])


def gradients(arrays, n):
    """Return the letters of the first dx of each piece."""
    return sharing([arrays.memory(i, {}).dx[0] for i in range(n)])


def chain(*names, **more):
    return work_arrays(*[(name, i) for i, name in enumerate(names)], **more)


def test_values_that_no_backward_reads_alternate_between_two_blocks():
    arrays = chain(*["lone"] * 5)
    assert values(arrays, 5) == "ABAB-"
    assert sorted(arrays.reused_slots) == [1, 2, 3, 4]
    assert [arrays.memory(i + 1, {}).x[0] is arrays.memory(i, {}).y for i in range(4)] == [True] * 4


def test_a_value_that_a_backward_reads_keeps_its_block():
    assert values(chain("lone", "keeping", "lone", "lone", "lone"), 5) == "ABCB-"
    assert values(chain(*["keeping"] * 4), 4) == "ABC-"


def test_a_value_is_held_until_its_last_reader_has_run():
    assert values(work_arrays(("lone", 0), ("lone", 1), ("lone", 2), ("passing", 1, 3), ("lone", 4), ("lone", 5)), 6) == "ABCBA-"
    assert values(work_arrays(("lone", 0), ("lone", 1), ("lone", 2), ("keeping", 1, 3), ("lone", 4), ("lone", 5)), 6) == "ABCBD-"
    assert values(work_arrays(("lone", 0), ("keeping", 1), ("lone", 2), ("lone", 1), ("lone", 4), ("passing", 3, 5)), 6) == "ABCBD-"


def test_no_value_that_other_code_may_see_is_in_a_work_array():
    assert values(chain("lone", UNNAMED, "lone", "lone"), 4) == "--A-"
    assert values(work_arrays(("lone", 0), ("lone", 1), (UNNAMED, 1), outputs=(2, 3)), 3) == "---"
    assert values(work_arrays(("lone", 0), ("lone", 1), ("lone", 2), outputs=(1, 3)), 3) == "-A-"


def test_gradients_alternate_between_two_blocks_and_that_of_an_input_is_a_new_array():
    assert gradients(chain(*["lone"] * 5), 5) == "-ABAB"


def test_no_gradient_that_an_unnamed_layer_may_keep_is_in_a_work_array():
    arrays = chain("lone", UNNAMED, "lone", "lone")
    assert gradients(arrays, 4) == "---A"
    assert [arrays.gradients_to_copy(i) for i in range(4)] == [[True], None, [True], None]
    arrays = work_arrays(("lone", 0), (UNNAMED, 0), ("passing", 1, 2))
    assert arrays.gradients_to_copy(2) == [False, True]


def test_the_scratch_of_a_backward_is_apart_from_its_dout_and_dx_and_is_free_afterwards():
    arrays = chain("lone", "scratch", "lone", "lone")
    memories = [arrays.memory(i, {}) for i in range(4)]
    assert [memory.scratch is not None for memory in memories] == [False, True, False, False]
    assert sharing([memories[3].dx[0], memories[2].dx[0], memories[1].scratch, memories[1].dx[0]]) == "ABAC"
    arrays = chain("lone", "lone", "lone", "scratch")
    assert sharing([arrays.memory(3, {}).scratch, arrays.memory(3, {}).dx[0], arrays.memory(2, {}).dx[0]]) == "ABA"


def test_gradients_of_a_value_with_two_readers_are_added_in_an_array_apart():
    arrays = work_arrays(("lone", 0), ("lone", 1), ("lone", 1), ("passing", 2, 3))
    assert list(arrays.sums) == [1]
    assert sharing([arrays.memory(2, {}).dx[0], arrays.sums[1], arrays.memory(1, {}).dx[0]]) == "ABC"
    assert list(work_arrays(("lone", 0), ("lone", 1), (UNNAMED, 1), ("passing", 2, 3)).sums) == []
    assert list(work_arrays(("lone", 0), ("lone", 1), ("lone", 1), ("lone", 1), ("passing", 2, 3, 4)).sums) == [1]


def test_a_dout_that_is_passed_on_is_held_until_all_who_got_it_have_run():
    arrays = work_arrays(("lone", 0), ("lone", 1), ("lone", 1), ("passing", 2, 3), ("lone", 4))
    memories = [arrays.memory(i, {}) for i in range(5)]
    assert memories[3].dx == (None, None)
    assert sharing([memories[4].dx[0], memories[2].dx[0], arrays.sums[1], memories[1].dx[0]]) == "ABCD"
    arrays = work_arrays(("lone", 0), ("lone", 1), ("lone", 2), ("passing", 1, 3), ("lone", 4))
    memories = [arrays.memory(i, {}) for i in range(5)]
    assert sharing([memories[4].dx[0], arrays.sums[1], memories[2].dx[0], memories[1].dx[0]]) == "ABCD"


def test_a_block_that_was_passed_on_is_free_in_the_end():
    arrays = work_arrays(("lone", 0), ("lone", 1), ("lone", 2), ("lone", 2), ("passing", 3, 4), ("lone", 5))
    passed = arrays.memory(5, {}).dx[0]
    assert arrays.memory(1, {}).dx[0].base is passed.base


def test_the_smallest_free_block_that_is_large_enough_is_used():
    # A, B and C, of 9, 5 and 2 columns, become free together. Then comes a value of 4 columns.
    arrays = work_arrays(("lone", 0), ("lone", 0), ("lone", 0), ("passing", 1, 2, 3), ("lone", 4), ("lone", 5), sizes=(1, 9, 5, 2, 1, 4, 1))
    assert values(arrays, 6) == "ABCDB-"
    arrays = chain("lone", "lone", "lone", "lone", sizes=(1, 2, 2, 9, 1))
    assert values(arrays, 4) == "ABC-"
    assert [arrays.memory(i, {}).y.shape for i in range(3)] == [(4, 2), (4, 2), (4, 9)]


def test_shape_and_type_need_no_check_where_they_come_from_the_caller_or_a_fused_operation():
    arrays = work_arrays(("lone", 0), (UNNAMED, 1), ("lone", 2), (UNNAMED, 3), ("lone", 3), ("passing", 4, 5), outputs=(6,))
    assert [arrays.has_fixed_spec(slot) for slot in range(7)] == [True, True, False, True, False, True, True]
    assert [arrays.dout_has_fixed_spec(i) for i in range(6)] == [False, True, False, True, True, True]


@pytest.mark.parametrize("n_bytes", [0, 1, 8, 40, 100, 1000])
def test_a_block_begins_at_a_cache_line_and_has_the_bytes_asked_for_and_few_more(n_bytes):
    blocks = [Block(n_bytes + i) for i in range(100)]
    for i, block in enumerate(blocks):
        assert block.memory.nbytes == n_bytes + i
        assert block.memory.base.nbytes == n_bytes + i + 64
        assert n_bytes + i == 0 or block.memory.ctypes.data % 64 == 0


def layouts(*names, shape=(4, 3, 5, 6)):
    """Return for each y and dx of a chain whether its channels are last in memory, or - if there is no array."""
    arrays = chain(*names, shape=shape)
    memories = [arrays.memory(i, {}) for i in range(len(names))]
    letters = [
        ["-" if array is None else "C" if array.flags.c_contiguous else "L" for array in found]
        for found in ([memory.y for memory in memories], [memory.dx[0] for memory in memories])
    ]
    assert all(array.shape == shape for memory in memories for array in (memory.y, memory.dx[0]) if array is not None)
    return ["".join(each) for each in letters]


def test_images_have_their_channels_last_between_operations_that_prefer_it_and_those_that_take_any_layout():
    assert layouts("image", "image", "image") == ["LL-", "-LL"]
    assert layouts("image", "any", "any", "image") == ["LLL-", "-LLL"]
    assert layouts("lone", "image", "any", "lone", "any") == ["CLC" + "C-", "-CLCC"]
    assert layouts(UNNAMED, "any", "any", "lone") == ["-CC-", "--CC"]
    assert layouts("image", "image", shape=(4, 3)) == ["C-", "-C"]
    arrays = work_arrays(("image", 0), ("any", 0), ("any", 1, 2), shape=(4, 3, 5))  # the input has one reader that prefers it
    assert not arrays.memory(1, {}).y.flags.c_contiguous
    arrays = work_arrays(("image", 0), ("any", 1), ("any", 1), ("passing", 2, 3), shape=(4, 3, 5))
    assert not arrays.sums[1].flags.c_contiguous
