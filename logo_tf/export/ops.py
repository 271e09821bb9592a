"""What the graph of a SavedModel may do: compute, and nothing else.

Loading and asking a SavedModel runs its graph, and TensorFlow has ops that read and write
files or call into Python. So a graph is scanned before it is loaded: what its signatures and
its start reach may only compute, what restores its weights may also read them, and what would
save them, which no server calls, may write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from logo_tf.errors import LogoError

# Pure functions of their inputs, variables that are read, and control flow. Random numbers come
# from a seed that is an input. Assert ends a request that it does not like with a message.
_COMPUTING = """
_EagerConst Abs Acos Acosh Add AddN AddV2 All Any ArgMax ArgMin Asin Asinh Assert Atan Atan2
Atanh AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd BiasAddV1 Bincount
Bitcast BitwiseAnd BitwiseOr BitwiseXor BroadcastArgs BroadcastTo Bucketize Case Cast Ceil
CheckNumerics Cholesky ClipByValue Complex Concat ConcatOffset ConcatV2 Const Conv2D Cos Cosh
Cross Cumprod Cumsum DepthwiseConv2dNative Diag DiagPart Digamma Div DivNoNan DynamicPartition
DynamicStitch Einsum Elu Empty EnsureShape Equal Erf Erfc Erfinv Exp ExpandDims Expm1 Fill Floor
FloorDiv FloorMod FusedBatchNorm FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual
Identity IdentityN If Imag InvertPermutation IsFinite IsInf IsNan L2Loss LeakyRelu LeftShift
Less LessEqual Lgamma LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr LogSoftmax LowerBound
MatMul MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV3 MatrixDiagV3 MatrixInverse
MatrixSetDiagV3 MatrixSolve MatrixTriangularSolve Max Maximum MaxPool Mean Merge Min Minimum
MirrorPad Mod Mul MulNoNan Multinomial Ndtri Neg NextIteration NonMaxSuppressionV3 NoOp NotEqual
OneHot OnesLike Pack Pad PadV2 ParallelConcat PartitionedCall Placeholder PlaceholderWithDefault
Polygamma Pow PreventGradient Prod Qr RaggedRange Range Rank ReadVariableOp Real RealDiv
Reciprocal Relu Relu6 Reshape ResourceGather ResourceGatherNd Reverse ReverseSequence ReverseV2
RightShift Rint Roll Round Rsqrt ScatterNd SegmentMax SegmentMean SegmentMin SegmentSum Select
SelectV2 Selu Shape ShapeN Sigmoid Sign Sin Sinh Size Slice Snapshot Softmax Softplus Softsign
SpaceToBatchND SparseToDense Split SplitV Sqrt Square SquaredDifference Squeeze
StatefulPartitionedCall StatelessCase StatelessIf StatelessMultinomial StatelessRandomBinomial
StatelessRandomGammaV2 StatelessRandomGammaV3 StatelessRandomGetAlg StatelessRandomGetKeyCounter
StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2
StatelessRandomPoisson StatelessRandomUniform StatelessRandomUniformFullInt
StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2
StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal StatelessTruncatedNormalV2
StatelessWhile StopGradient StridedSlice Sub Sum Svd Switch Tan Tanh TensorListConcatV2
TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListScatterV2
TensorListSetItem TensorListSplit TensorListStack TensorScatterAdd TensorScatterMax
TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TopK TopKV2
Transpose TruncateDiv TruncateMod Unique UniqueV2 Unpack UnravelIndex UnsortedSegmentMax
UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound VarHandleOp VariableShape
VarIsInitializedOp Where While Xdivy Xlog1py Xlogy ZerosLike Zeta
"""
COMPUTING = frozenset(_COMPUTING.split())
RESTORING = COMPUTING | {"AssignVariableOp", "DisableCopyOnRead", "RestoreV2"}
SAVING = RESTORING | {
    "MergeV2Checkpoints",
    "SaveV2",
    "ShardedFilename",
    "StaticRegexFullMatch",
    "StringJoin",
}


def require_allowed_ops(path: str | Path) -> None:
    """Scan a SavedModel, without loading it.

    Args:
      path: its folder.

    Raises:
      LogoError: it cannot be read, or holds an op that is not allowed where it stands; the
        message names these.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    file = Path(path) / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(file.read_bytes())
    except OSError as error:
        raise LogoError(f"{file}: cannot be read: {error.strerror}") from None
    except DecodeError:
        raise LogoError(f"{file}: is not a SavedModel, or only a part of one") from None
    if not saved.meta_graphs:
        raise LogoError(f"{file}: holds no graph")
    wrong = sorted({op for graph in saved.meta_graphs for op in _forbidden(graph)})
    if wrong:
        raise LogoError(f"{file}: holds ops that a served model may not have: {', '.join(wrong)}")


def _forbidden(graph: Any) -> Iterator[str]:
    """Ops of a MetaGraphDef that stand where they may not."""
    functions = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    saver = graph.saver_def
    restoring = _reached([saver.restore_op_name], nodes, functions)
    saving = _reached([saver.save_tensor_name], nodes, functions)
    serving = _reached(_served(graph), nodes, functions)
    everything = {
        *((None, name) for name in nodes),
        *((name, None) for name in functions),
    }
    # What nothing reaches is held to the strictest standard, like what is served.
    places = (
        (serving | (everything - restoring - saving), COMPUTING),
        (restoring, RESTORING),
        (saving, SAVING),
    )
    for found, allowed in places:
        for function, name in found:
            body = [nodes[name]] if function is None else functions[function]
            yield from (n.op for n in body if n.op not in allowed and n.op not in functions)


Place = tuple[str | None, str | None]
"""A node of the graph (None, its name), or a function (its name, None), as a whole."""


def _served(graph: Any) -> Iterator[str]:
    """The tensors and ops that signatures and the start of a model name."""
    for signature in graph.signature_def.values():
        for tensor in (*signature.inputs.values(), *signature.outputs.values()):
            yield tensor.name
    for collection in graph.collection_def.values():
        yield from collection.node_list.value


def _reached(names: Iterable[str], nodes: dict[str, Any], functions: dict[str, Any]) -> set[Place]:
    """All that runs for these tensors of the graph."""
    found: set[Place] = set()
    waiting: list[Place] = [(None, _node(name)) for name in names if _node(name) in nodes]
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        function, name = place
        if function is None:
            assert name is not None
            body = [nodes[name]]
            waiting += [(None, _node(i)) for i in nodes[name].input if _node(i) in nodes]
        else:
            body = functions[function]
        waiting += [(called, None) for node in body for called in _called(node, functions)]
    return found


def _called(node: Any, functions: dict[str, Any]) -> Iterator[str]:
    """The functions that a node calls, or may call."""
    if node.op in functions:
        yield node.op
    for value in node.attr.values():
        for one in (value.func, *value.list.func):
            if one.name in functions:
                yield one.name


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]
