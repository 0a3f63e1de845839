"""A name for every variable of a backbone, by which weights files hold them.

"layer/variable", and with layers inside layers, as transformers have them,
"layer/inner layer/variable". Keras' own files go by class and position.
"""

import h5py


def variables_by_path(backbone):
    """Returns every variable under its path, in the order of the layers.

    Args:
      backbone: built Keras model without nested models.

    Raises:
      ValueError: if two variables have one path, so that a file would hold one of them.
    """
    variables = {}
    for layer in backbone.layers:
        for variable in layer.variables:
            path = _path(layer, variable)
            if path in variables:
                raise ValueError(f"{backbone.name!r} has two variables of the path {path!r}")
            variables[path] = variable
    return variables


def annotate(file, backbone):
    """Writes into a file of `backbone.save_weights` the path of each variable, as `path`.

    Args:
      file: open, writable `h5py.File`.
      backbone: whose weights it holds.
    """
    of_layer: dict[str, list[str]] = {}
    for path in variables_by_path(backbone):
        of_layer.setdefault(path.rpartition("/")[0], []).append(path)
    # Each layer, also one inside another, has a group GROUP/vars with its name.
    names = {}

    def name(where, group):
        if isinstance(group, h5py.Group) and where.endswith("/vars"):
            names[where.removesuffix("/vars")] = group.attrs.get("name", "")

    file.visititems(name)
    for where in names:
        parts = where.split("/")
        above = ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        layer = "/".join(names[group] for group in above if group in names)
        for index, path in enumerate(of_layer.get(layer, ())):
            file[f"{where}/vars/{index}"].attrs["path"] = path


def _path(layer, variable):
    parts = variable.path.split("/")
    inside = parts[parts.index(layer.name) + 1 : -1] if layer.name in parts else []
    return "/".join([layer.name, *inside, variable.name])
