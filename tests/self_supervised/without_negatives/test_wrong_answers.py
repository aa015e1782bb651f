"""Answers that return the right value and do something besides that they must not."""

import pytest
import torch

from fmlib.exercises.checking import is_right
from fmlib.exercises.registry import exercises
from fmlib.self_supervised.without_negatives import byol, dino
from fmlib.training.ema import momentum_update

EXERCISES = {exercise.name: exercise for exercise in exercises()}


def loss_then(change):
    """DINO's loss, and a change of what came in."""

    def dino_loss(student, teacher, center, student_temperature=0.1, teacher_temperature=0.04):
        loss = dino.dino_loss(student, teacher, center, student_temperature, teacher_temperature)
        change(student, teacher, center)
        return loss

    return dino_loss


def replace_teacher(student, teacher, center):
    teacher[0] = teacher[0].detach()


CHANGES = {
    "centers the teacher in place": lambda s, t, c: t[0].detach().sub_(1),
    "empties the lists": lambda s, t, c: (s.clear(), t.clear()),
    "appends a view": lambda s, t, c: s.append(s[0]),
    "puts another tensor into the list": replace_teacher,
    "zeroes the student": lambda s, t, c: s[0].data.zero_(),
    "zeroes the center": lambda s, t, c: c.data.zero_(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_dino_loss_must_leave_what_came_in(what):
    assert not is_right(EXERCISES["dino_loss"], loss_then(CHANGES[what]), 20)
    assert is_right(EXERCISES["dino_loss"], loss_then(lambda s, t, c: None), 20)


def follow_and_count(model, momentum):
    momentum_update(model.target_encoder, model.encoder, momentum)
    momentum_update(model.target_projector, model.projector, momentum)
    model.done += 1


def test_follow_must_not_count_the_step():
    assert not is_right(EXERCISES["follow"], follow_and_count, 20)


def test_a_step_that_goes_backward_by_itself_is_refused():
    def byol_step(online, predictor, target, view1, view2):
        prediction = predictor(online(torch.cat((view1, view2))))
        loss = byol.prediction_loss(prediction, target(torch.cat((view2, view1))))
        loss.backward()
        return loss.detach()

    assert not is_right(EXERCISES["byol_step"], byol_step, 20)


def test_a_center_that_is_a_row_of_the_teacher_is_refused():
    def moved_center(center, teacher, momentum=0.9):
        if len(teacher) == 1 and momentum == 0:
            return teacher[0].detach()
        return dino.moved_center(center, teacher, momentum)

    assert not is_right(EXERCISES["moved_center"], moved_center, 20)


def test_equal_rows_have_no_direction_whatever_their_mean_is_rounded_to():
    from fmlib.self_supervised.without_negatives.watch import effective_rank

    for rows, value in ((7, 0.1), (6, 0.3)):
        assert effective_rank(torch.full((rows, 4), value)) == 0
