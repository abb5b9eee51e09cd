"""A graphics processor without one: tensors that say they are on "cuda" and live elsewhere.

Inside SimulatedGpu, torch.rand(3, device="cuda") and x.to("cuda") return a GpuTensor. It
computes with real values, but as on a real graphics processor it cannot be mixed with other
tensors, and it must be copied with .cpu() before NumPy or matplotlib can read it.

It builds on FakeTensorMode, which keeps torch from starting the driver. Backward would start
it all the same, so it has a stand-in, and the convolutions of cuDNN are switched off.
"""

from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map_only

# The operations that copy from one device to another.
COPIES = ("_to_copy", "copy_")


class GpuTensor(torch.Tensor):
    """A tensor that says it is on "cuda"; its values are those of a tensor on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # no Python code around it

    @staticmethod
    def __new__(cls, values, requires_grad=False):
        if isinstance(values, GpuTensor):
            values = values.values_on_cpu
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            dtype=values.dtype,
            device="cuda",
            requires_grad=requires_grad,
        )
        tensor.values_on_cpu = values
        return tensor

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        raise RuntimeError(f"{operation} outside of SimulatedGpu")

    def tolist(self):
        return self.cpu().tolist()


class SimulatedGpu(FakeTensorMode):
    """A context in which "cuda" is there; reads counts how often a program waits for it."""

    def __init__(self):
        super().__init__()
        self.reads = 0
        self.saved = {}  # the weights that torch.save was given last

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        """Compute operation on the CPU; every operation of torch comes through here."""
        kwargs = dict(kwargs or {})
        name = operation.overloadpacket.__name__
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        here = [tensor for tensor in tensors if isinstance(tensor, GpuTensor)]
        elsewhere = [tensor for tensor in tensors if not isinstance(tensor, GpuTensor)]
        mixed = here and any(tensor.dim() > 0 for tensor in elsewhere)  # single numbers may mix
        if mixed and name not in COPIES:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device")

        target = "cuda" if here else "cpu"
        if kwargs.get("device") is not None:
            target = torch.device(kwargs["device"]).type
            kwargs["device"] = "cpu"
        if here and (target == "cpu" or name == "_local_scalar_dense"):
            self.reads += 1  # .cpu(), .item() and the like

        args_on_cpu, kwargs_on_cpu = tree_map_only(
            GpuTensor, lambda tensor: tensor.values_on_cpu, (args, kwargs)
        )
        result = operation(*args_on_cpu, **kwargs_on_cpu)
        if operation._schema.is_mutable and isinstance(result, torch.Tensor):
            return args[0]  # it was changed in place
        return tree_map_only(torch.Tensor, GpuTensor, result) if target == "cuda" else result

    def __enter__(self):
        self.changes = ExitStack()
        self.changes.enter_context(torch.backends.cudnn.flags(enabled=False))
        self.changes.enter_context(patch.object(torch.Tensor, "backward", backward))
        self.changes.enter_context(patch.object(torch, "save", self.save))
        self.changes.enter_context(patch.object(torch, "load", self.load))
        # Module.to shall replace parameters: it cannot move these tensors in their place.
        self.changes.callback(
            torch.__future__.set_overwrite_module_params_on_conversion,
            torch.__future__.get_overwrite_module_params_on_conversion(),
        )
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.changes.close()

    def save(self, weights, file):
        """Keep weights; the file stays empty, but it can be renamed."""
        self.saved = {name: weight.cpu().clone() for name, weight in weights.items()}
        Path(file).touch()

    def load(self, file, map_location, weights_only):
        return {name: each.to(map_location) for name, each in self.saved.items()}


def backward(output):
    """Stand in for Tensor.backward: give each tensor that output was made from a gradient."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        step = waiting.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        if hasattr(step, "variable"):  # it holds a tensor that wants a gradient
            step.variable.grad = torch.full_like(step.variable, 1e-3)
        waiting += [next_step for next_step, _ in step.next_functions]
