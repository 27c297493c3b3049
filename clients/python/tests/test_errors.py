"""One class for each error of the list."""

import copy
import re

import latentd
import pytest
from conftest import ROOT
from latentd import errors

LIST = re.findall(r'X\(\w+, (-\d+), "(\w+)", "([^"]+)"\)', (ROOT / "proto" / "error.h").read_text())


def test_the_classes_are_the_list():
    assert len(LIST) > 20
    assert [(str(cls.code), name, cls.default) for name, cls in errors.CLASSES.items()] == LIST


@pytest.mark.parametrize("code, name, message", LIST)
def test_each_is_named_after_the_wire_and_exported(code, name, message):
    cls = getattr(latentd, "".join(word.capitalize() for word in name.split("_")) + "Error")
    assert cls is errors.CLASSES[name] and cls.__name__ in latentd.__all__ and issubclass(cls, latentd.Error)
    error = cls("what was wrong")
    assert (str(error), error.message, error.name, error.code) == ("what was wrong", "what was wrong", name, int(code))
    assert str(cls()) == message and name in cls.__doc__
    assert copy.copy(error).message == error.message


def test_kin_of_pythons_own_errors():
    for cls, kin in ((latentd.TimeoutError, TimeoutError), (latentd.ClosedError, ConnectionError), (latentd.ConnectError, OSError),
                     (latentd.BadParameterError, ValueError), (latentd.NotFoundError, LookupError)):
        with pytest.raises(kin, match="reason"):
            raise cls("reason")


def test_an_error_of_a_later_daemon_is_an_error():
    error = errors.error_of(-99, "on_strike", "not today")
    assert type(error) is latentd.Error and (error.code, error.name, str(error)) == (-99, "on_strike", "not today")
    assert errors.error_of(-16, "busy", "").message == latentd.BusyError.default
    assert latentd.Error.name == "unknown", "the class itself is as it was"
