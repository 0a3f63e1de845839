"""Gradient-boosted trees as the head of a network: a Keras layer that decides as scikit-learn does.

The trees are fitted elsewhere. Here they become arrays that a `.keras` file and a SavedModel hold,
so that what is served needs neither scikit-learn nor a pickle.
"""

import keras
import numpy as np
from keras import ops
from sklearn.dummy import DummyClassifier

from tfcovid.models.classifier import HEAD_LAYER

_OF_NODES = ("feature", "threshold", "left", "right", "value")
_INTEGERS = ("feature", "left", "right", "tree_output")


@keras.saving.register_keras_serializable(package="tfcovid")
class BoostedTrees(keras.layers.Layer):
    """Sums regression trees on features to logits, the log odds of the second of two classes.

    At each node an example goes left where its feature is at most the threshold; a leaf leads to
    itself, so that after `depth` steps every example has arrived, whatever the tree. Nothing here
    trains, and no gradient comes through: a tree is a step function.

    Args:
      num_trees: of all outputs together.
      num_nodes: of the largest tree; the others are filled up with nodes that nothing leads to.
      depth: steps from the root to the deepest leaf.
      num_outputs: 1 for two classes, else the number of classes.
      **kwargs: arguments of `keras.layers.Layer`; float32 unless `dtype` says otherwise.

    Raises:
      ValueError: if a size is negative, or there is no tree, node or output.
    """

    def __init__(self, num_trees, num_nodes, depth, num_outputs, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.sizes = {
            "num_trees": num_trees,
            "num_nodes": num_nodes,
            "depth": depth,
            "num_outputs": num_outputs,
        }
        if min(num_trees, num_nodes, num_outputs) < 1 or depth < 0:
            raise ValueError(
                "expected a tree, a node and an output at least, and depth >= 0. "
                f"Received: {self.sizes}"
            )

    def build(self, input_shape):
        """Creates the arrays, as `trees_from_sklearn` names and describes them; at zero."""
        del input_shape
        trees, nodes = self.sizes["num_trees"], self.sizes["num_nodes"]
        shapes = {
            **dict.fromkeys(_OF_NODES, (trees, nodes)),
            "tree_output": (trees,),
            "offset": (self.sizes["num_outputs"],),
        }
        for name, shape in shapes.items():
            weight = self.add_weight(
                shape=shape,
                initializer="zeros",
                dtype="int32" if name in _INTEGERS else None,
                trainable=False,
                name=name,
            )
            setattr(self, name, weight)

    def set_trees(self, trees):
        """Takes the arrays of `trees_from_sklearn`; the layer must be built."""
        self.set_weights([trees[weight.name] for weight in self.weights])

    def call(self, features):
        """Returns logits [batch, num_outputs] of features [batch, num_features]."""
        trees, nodes = self.sizes["num_trees"], self.sizes["num_nodes"]
        first = ops.arange(trees, dtype="int32") * nodes
        flat = {
            name: ops.reshape(ops.convert_to_tensor(getattr(self, name)), (-1,))
            for name in _OF_NODES
        }
        # Which node of its own tree an example has reached, [batch, trees]: the root is node 0.
        node = ops.zeros((ops.shape(features)[0], trees), "int32")
        for _ in range(self.sizes["depth"]):
            at = first + node
            seen = ops.take_along_axis(features, ops.take(flat["feature"], at), axis=1)
            left = seen <= ops.take(flat["threshold"], at)
            node = ops.where(left, ops.take(flat["left"], at), ops.take(flat["right"], at))
        reached = ops.take(flat["value"], first + node)
        # Not a matrix product, which a GPU may round to fewer digits.
        own = ops.one_hot(self.tree_output, self.sizes["num_outputs"], dtype=reached.dtype)
        return ops.sum(reached[:, :, None] * own[None], axis=1) + self.offset

    def compute_output_shape(self, input_shape):
        """Returns (batch, num_outputs)."""
        return (input_shape[0], self.sizes["num_outputs"])

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self.sizes}


def trees_from_sklearn(model):
    """Returns the trees of a fitted gradient boosting as plain arrays.

    scikit-learn compares features in float32 with thresholds in float64. Rounded down to float32 a
    threshold decides every float32 the same way.

    Args:
      model: fitted `sklearn.ensemble.GradientBoostingClassifier` that starts at zero or at the
        prior: `init` 'zero' or None.

    Returns:
      feature, left, right int32 and threshold, value float32, each [num_trees, num_nodes];
      tree_output int32 [num_trees], to which logit a tree adds; offset float32 [num_outputs], where
      the logits start; depth int32 [], steps to the deepest leaf. Values include the learning rate.

    Raises:
      ValueError: if the start is another estimator, which has no offset that fits all examples.
    """
    stages, num_outputs = model.estimators_.shape
    trees = [tree.tree_ for tree in model.estimators_.ravel()]
    nodes = max(tree.node_count for tree in trees)
    arrays = {
        name: np.zeros((len(trees), nodes), np.int32 if name in _INTEGERS else np.float32)
        for name in ("feature", "threshold", "left", "right", "value")
    }
    for index, tree in enumerate(trees):
        leaf, itself = tree.children_left < 0, np.arange(tree.node_count)
        own = {
            "feature": np.where(leaf, 0, tree.feature),
            "threshold": np.where(leaf, 0.0, _rounded_down(tree.threshold)),
            "left": np.where(leaf, itself, tree.children_left),
            "right": np.where(leaf, itself, tree.children_right),
            "value": model.learning_rate * tree.value[:, 0, 0],
        }
        for name, values in own.items():
            arrays[name][index, : tree.node_count] = values
    return arrays | {
        "tree_output": np.tile(np.arange(num_outputs, dtype=np.int32), stages),
        "offset": _start(model, num_outputs).astype(np.float32),
        "depth": np.array(max(tree.max_depth for tree in trees), np.int32),
    }


def boosted_trees_layer(model, name=HEAD_LAYER):
    """Returns a built layer that gives the decision function of a fitted gradient boosting.

    Args:
      model: as for `trees_from_sklearn`.
      name: layer name.

    Raises:
      ValueError: as `trees_from_sklearn` does.
    """
    trees = trees_from_sklearn(model)
    num_trees, num_nodes = trees["feature"].shape
    layer = BoostedTrees(num_trees, num_nodes, int(trees["depth"]), len(trees["offset"]), name=name)
    layer.build((None, model.n_features_in_))
    layer.set_trees(trees)
    return layer


def build_boosted_classifier(features, trees, *, name="classifier"):
    """Returns a classifier with trees for its head, laid out as `classifier.build_classifier` does.

    Args:
      features: model from the image to the features that the head sees, as
        `features.feature_model` gives it of a classifier; its layers and variables are shared.
      trees: built `BoostedTrees` called `classifier.HEAD_LAYER`.
      name: model name.

    Returns:
      Model from the input of `features` to float32 logits [batch, num_outputs].

    Raises:
      ValueError: if the trees have another name, are not built, or are of other features.
    """
    if trees.name != HEAD_LAYER or not trees.built:
        raise ValueError(
            f"expected built trees called {HEAD_LAYER!r}, as boosted_trees_layer makes them. "
            f"Received: name={trees.name!r}, built={trees.built}"
        )
    width, last = features.output_shape[-1], int(np.max(np.asarray(trees.feature)))
    if last >= width:
        raise ValueError(f"the trees ask for feature {last}, the network has {width}")
    return keras.Model(features.input, trees(features.output), name=name)


def _rounded_down(thresholds):
    """Returns the largest float32 that is at most the threshold."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _start(model, num_outputs):
    """Returns where the logits of every example start, float64 [num_outputs]."""
    if isinstance(model.init_, str) and model.init_ == "zero":
        return np.zeros(num_outputs)
    if not isinstance(model.init_, DummyClassifier) or model.init_.strategy != "prior":
        raise ValueError(
            "a gradient boosting must start at zero or at the prior, init='zero' or None. "
            f"Received: init={model.init!r}"
        )
    # Whatever scikit-learn makes of the prior: what remains once the trees are taken away.
    row = np.zeros((1, model.n_features_in_), np.float32)
    of_trees = [
        model.learning_rate * sum(tree.predict(row)[0] for tree in column)
        for column in model.estimators_.T
    ]
    return np.ravel(model.decision_function(row)) - of_trees
