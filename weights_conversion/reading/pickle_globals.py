"""Says what a pickle is that must not be loaded, from its opcodes; none of them is carried out."""

import pathlib
import pickletools
import struct
import zipfile

# Beside the tensors of a state dict a pickle of torch.save names these; they are not the reason.
_DATA = ("torch._utils.", "torch.storage.", "torch.Size", "torch.device", "collections.OrderedDict")
DAMAGE = (
    RuntimeError,  # also NotImplementedError, for a zip of a later version
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    OSError,
    struct.error,
)
"""What a damaged file was seen to raise in PyTorch's and Python's readers."""

_PICKLES_BEFORE_1_6 = 4  # magic number, protocol, system, object
_PUSHES_TEXT = ("UNICODE", "STRING")

# Modules whose functions run code, files or programs; a model's pickle names none of them.
_RUNS_CODE = (
    "builtins",
    "__builtin__",
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "importlib",
    "runpy",
    "socket",
    "ctypes",
    "pty",
    "webbrowser",
    "operator",
)
_PLAIN_TYPES = ("set", "frozenset", "list", "dict", "tuple", "int", "float", "slice", "object")


def explain(path: pathlib.Path, reason: str) -> str:
    """Returns a line on what the file is and what to do, for a file that PyTorch refused.

    Args:
      path: the file.
      reason: PyTorch's message, shown where the opcodes tell nothing.
    """
    try:
        names = [name for name in _names(path) if not _is_data(name) and name.isprintable()]
    except (zipfile.BadZipFile, *DAMAGE) as error:
        names = []
        reason = f"{reason.splitlines()[0] if reason else error}"
    arrays = [name for name in names if name.startswith("numpy.")]
    code = [name for name in names if _runs_code(name)]
    objects = [name for name in names if _is_class(name) and name not in arrays]
    if code or (names and not objects and not arrays):
        return (
            f"holds code to run ({(code or names)[0]}) and not data alone; nothing of it was run: "
            "do not load this file, get it from a source you trust"
        )
    if any(name.startswith("torch.nn.modules.") for name in objects):
        model = next((name for name in objects if not name.startswith("torch.")), objects[0])
        return (
            f"holds a whole pickled model ({model}), not a state dict: where you trust it, load it "
            'with the code that defines it, torch.save(model.state_dict(), "state_dict.pt"), and '
            "convert that"
        )
    if objects:
        return (
            f"holds an object ({objects[0]}) beside the tensors, which is more than data: where "
            "you trust it, load it, torch.save its state dict alone, and convert that"
        )
    if arrays:
        return (
            "is a pickle of NumPy arrays, not of torch.save: where you trust it, load it, save the "
            "arrays with safetensors.numpy.save_file, and convert that"
        )
    return (
        "cannot be read as data: expected a state dict that torch.save wrote "
        f"({' '.join(reason.split())[:160]})"
    )


def _is_class(name):
    return name.rpartition(".")[2][:1].isupper()


def _runs_code(name):
    module, _, function = name.partition(".")
    return module in _RUNS_CODE and function not in _PLAIN_TYPES


def _is_data(name):
    return name.startswith(_DATA) or (name.startswith("torch.") and name.endswith("Storage"))


def _names(path):
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            (pickle_name,) = [n for n in archive.namelist() if n.endswith("data.pkl")][:1]
            with archive.open(pickle_name) as stream:
                return list(dict.fromkeys(_globals_of(stream)))
    names = []
    with path.open("rb") as stream:
        try:
            for _ in range(_PICKLES_BEFORE_1_6):
                names += _globals_of(stream)
        except ValueError:  # raw numbers follow the pickles
            pass
    return list(dict.fromkeys(names))


def _globals_of(stream):
    texts: list[str] = []
    found: list[str] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in ("GLOBAL", "INST"):
            found.append(".".join(str(argument).split(" ", 1)))
        elif opcode.name == "STACK_GLOBAL":
            found.append(".".join(texts[-2:]))
        elif any(kind in opcode.name for kind in _PUSHES_TEXT):
            texts.append(str(argument))
    return found
