"""`History.plot`: the numbers of the table, as lines."""

from netlib.training import History


def history(*columns, rows):
    table = History(columns)
    for row in rows:
        table.append(dict(zip(columns, row, strict=True)))
    return table


def lines_of(ax):
    return {line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist(), line.get_linestyle()) for line in ax.get_lines()}


FULL = history(
    *("epoch", "loss", "accuracy", "r2", "val_loss", "val_accuracy", "val_r2", "lr", "seconds"),
    rows=[
        (1, 0.9, 0.5, 0.1, 1.0, 0.4, 0.0, 0.1, 3.0),
        (2, 0.5, 0.8, 0.2, 0.75, 0.7, 0.15, 0.1, 2.0),
        (3, 0.3, 0.9, 0.3, 0.8, 0.6, 0.2, 0.1, 9.0),
    ],
)


def test_the_losses_are_the_lines_at_the_left_over_the_epochs(ax):
    assert lines_of(FULL.plot(ax=ax)) == {
        "loss, training": ([1, 2, 3], [0.9, 0.5, 0.3], "-"),
        "loss, validation": ([1, 2, 3], [1.0, 0.75, 0.8], "--"),
    }


def test_the_metrics_have_a_scale_of_their_own_at_the_right(ax):
    assert FULL.plot(ax=ax) is ax
    (right,) = [other for other in ax.figure.axes if other is not ax]
    assert lines_of(right) == {
        "accuracy, training": ([1, 2, 3], [0.5, 0.8, 0.9], "-"),
        "accuracy, validation": ([1, 2, 3], [0.4, 0.7, 0.6], "--"),
        "r2, training": ([1, 2, 3], [0.1, 0.2, 0.3], "-"),
        "r2, validation": ([1, 2, 3], [0.0, 0.15, 0.2], "--"),
    }
    assert right.get_ylabel() == "accuracy, r2"
    assert right.yaxis.get_label_position() == "right"
    assert [text.get_text() for text in right.get_legend().get_texts()] == [*lines_of(ax), *lines_of(right)]


def test_a_quantity_has_one_colour_and_no_two_share_it(ax):
    FULL.plot(ax=ax)
    colours = {}
    for each in ax.figure.axes:
        for line in each.get_lines():
            colours.setdefault(line.get_label().partition(",")[0], set()).add(line.get_color())
    assert [len(found) for found in colours.values()] == [1, 1, 1]
    assert len(set.union(*colours.values())) == 3


def test_without_metrics_and_validation_there_is_one_line_and_one_scale(ax):
    history("epoch", "loss", "lr", "seconds", rows=[(1, 2.0, 0.1, 0.1), (2, 1.0, 0.1, 0.1)]).plot(ax=ax)
    assert list(lines_of(ax)) == ["loss, training"]
    assert ax.figure.axes == [ax]


def test_a_single_epoch_can_be_seen_and_none_is_an_empty_picture(ax):
    (line,) = history("epoch", "loss", rows=[(1, 2.0)]).plot(ax=ax).get_lines()
    assert line.get_marker() == "o"
    ax.clear()
    (line,) = history("epoch", "loss", rows=[]).plot(ax=ax).get_lines()
    assert len(line.get_xdata()) == 0


def test_epochs_are_whole_numbers_on_the_axis(ax):
    history("epoch", "loss", rows=[(1, 2.0), (2, 1.0), (3, 0.5)]).plot(ax=ax)
    ax.figure.canvas.draw()
    assert all(float(tick).is_integer() for tick in ax.get_xticks())
