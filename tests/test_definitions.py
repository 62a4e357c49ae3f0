"""What is not what its source defines is refused; what a class collects in use is no change."""

import pytest

from tests.test_extraction import run

EXTRACT = "\n# ---\nfrom dis_bench.extraction import extract\nprint(extract(C).name)"

# The part of C that has changed, and the cells that change it.
CHANGED = {
    "a replaced method": (
        "C.f",
        """
class C:
    def f(self): return 1
# ---
C.f = lambda self: 2
""",
    ),
    "in the same cell": (
        "C.f",
        """
class C:
    def f(self): return 1
    def g(self): return 2
def f(self): return 2
C.f = f
""",
    ),
    "a replaced property": (
        "C.p",
        """
class C:
    @property
    def p(self): return 1
    def f(self): pass
# ---
C.p = property(lambda self: 2)
""",
    ),
    "a new method": (
        "C.g",
        """
class C:
    def f(self): return 1
# ---
C.g = C.f
""",
    ),
    "no method": (
        "C.g",
        """
class C:
    def f(self): pass
    def g(self): pass
# ---
del C.g
""",
    ),
    "an attribute": (
        "C.name",
        """
class C:
    name = 'a'
    def f(self): pass
# ---
C.name = 'b'
""",
    ),
    "a default": (
        "C.f",
        """
K = 2
class C:
    def f(self, *, power=K): pass
# ---
K = 3
""",
    ),
    "a hyperparameter": (
        "C.hyperparameters",
        """
from dis_bench.models.model import Hyperparameter
K = 2.0
class C:
    hyperparameters = (Hyperparameter('alpha', K, 'weight'),)
    def f(self): pass
# ---
K = 3.
""",
    ),
    "a base": (
        "B.x",
        """
K = [1]
class B:
    x = (K, 'a')
class C(B):
    pass
# ---
K = [2]
""",
    ),
    "a used function": (
        "f",
        """
K = 2
def f(x, k=K): pass
class C:
    y = f
# ---
K = 3
""",
    ),
    "a metric": (
        "C.range",
        """
from dis_bench.metrics.metric import metric
K = 2
@metric(range=(0, K))
def C(representation): pass
# ---
K = 3
""",
    ),
    "wrapped twice": (
        "C",
        """
import functools
def w(f):
    @functools.wraps(f)
    def g(x): return 2 * f(x)
    return g
@w
def C(x): return x
C = w(C)
""",
    ),
    "a base that was defined again": (
        "C.B",
        """
class B:
    def w(self): return 1
# ---
class C(B):
    def f(self): return 1
# ---
class B:
    def w(self): return 99
""",
    ),
    "a class as an attribute": (
        "C.net",
        """
class N:
    def w(self): return 1
# ---
class C:
    net=N
    def f(self): return 1
# ---
class N:
    def w(self): return 99
""",
    ),
    "a function as a default": (
        "C.f",
        """
def act(): return 1
# ---
class C:
    def f(self,a=act): return 1
# ---
def act(): return 2
""",
    ),
    "a function as a method": (
        "C.g",
        """
def act(): return 1
# ---
class C:
    g=act
    def f(self): return 1
# ---
def act(): return 2
""",
    ),
    "a decorator": (
        "C.f",
        """
import functools
def d(f):
    @functools.wraps(f)
    def g(*a): return f(*a)
    return g
# ---
class C:
    @d
    def f(self): return 1
# ---
import functools
def d(f):
    @functools.wraps(f)
    def g(*a): return f(*a)
    return g
""",
    ),
    "a decorator without wraps": (
        "C.f",
        """
def d(f):
    def g(*a): return f(*a)
    return g
# ---
class C:
    @d
    def f(self): return 1
# ---
def d(f):
    def g(*a): return 2*f(*a)
    return g
""",
    ),
    "a method without its decorator": (
        "C.f",
        """
import functools
import functools
def d(f):
    @functools.wraps(f)
    def g(*a): return f(*a)
    return g
# ---
class C:
    @d
    def f(self): return 1
# ---
C.f=C.f.__wrapped__
""",
    ),
    "what a decorator got": (
        "C",
        """
import functools
K=1
def d(k):
    def w(f):
        @functools.wraps(f)
        def g(*a): return k*f(*a)
        return g
    return w
# ---
@d(K)
def C(x): return 1
# ---
K=2
""",
    ),
    "a partial": (
        "C.p",
        """
import functools
K=1
class C:
    p=functools.partial(max,K)
    def f(self): return 1
# ---
K=2
""",
    ),
    "a tensor": (
        "C.p",
        """
import torch
K=1
class C:
    p=torch.tensor(K)
    def f(self): return 1
# ---
K=2
""",
    ),
    "an array": (
        "C.p",
        """
import numpy as np
K=1
class C:
    p=np.full(2,K)
    def f(self): return 1
# ---
K=2
""",
    ),
    "a number of numpy": (
        "C.p",
        """
import numpy as np
K=1
class C:
    p=np.int64(K)
    def f(self): return 1
# ---
K=2
""",
    ),
    "a nested class": (
        "C.N.f",
        """
class C:
    class N:
        def f(self): return 1
    def f(self): return 1
# ---
C.N.f=lambda self: 2
""",
    ),
    "a setter": (
        "C.p",
        """
class C:
    @property
    def p(self): return 1
    @p.setter
    def p(self,v): self.x=v
    def f(self): return 1
# ---
C.p=C.p.setter(lambda self,v: None)
""",
    ),
    "a cached property": (
        "C.p",
        """
import functools
class C:
    @functools.cached_property
    def p(self): return 1
    def f(self): return 1
# ---
C.p=functools.cached_property(lambda self: 2)
""",
    ),
    "a new attribute": (
        "C.w",
        """
class C:
    def f(self): return self.w
# ---
C.w=3.0
""",
    ),
    "a base of a library": (
        "C.Base",
        """
class Base:
    pass
class C(Base):
    def f(self): return 1
# ---
from torch.nn import Module as Base
""",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_is_not_as_its_source_defines_it_is_refused(case, tmp_path):
    part, cells = CHANGED[case]
    error = run(f"{cells}{EXTRACT}", tmp_path).stderr
    assert f"InputError: '{part}' is not what its source defines, as it has changed since, or" in error
    owner = part.partition(".")[0]
    again = "'C' again," if owner == "C" else f"'{owner}', and then 'C', again,"
    assert f"define {again} or put it into a file and give 'file.py:C'." in error


SOUND = {
    "what a class collects": """
import dataclasses, enum, functools
from typing import NamedTuple
import numpy as np
class T(NamedTuple):
    a: int = 1
class E(enum.Enum):
    A = 1
@dataclasses.dataclass
class D:
    a: int = 1
    b: list = dataclasses.field(default_factory=list)
K = float("nan")
class C:
    seen, k, d, a, again = [], K, D(), np.arange(3), lambda self, x=1: x
    @property
    def p(self): return 1
    @staticmethod
    def s(x=K): return x
    @classmethod
    def c(cls): return T(), E.A
    @functools.cached_property
    def cp(self): return 1
    @functools.cache
    def m(self): return (lambda x: x)(2)
    def __init__(self): self.seen.append(1)
# ---
C().m()
""",
    "a flag": """
import enum
class E(enum.Flag):
    A=1
    B=2
class C:
    def f(self): return E.A
# ---
E.A|E.B
""",
    "a registry of subclasses": """
class Base:
    registry={}
    subs=[]
    def __init_subclass__(cls):
        cls.registry[cls.__name__]=cls; cls.subs.append(cls)
class Other(Base):
    pass
class C(Base):
    def f(self): return 1
""",
    "defaults that grow": """
def fib(n,memo={}):
    memo[n]=1
    return 1
def h(x,seen=[]):
    seen.append(x)
class C:
    def f(self): return fib(1),h(1)
# ---
C().f()
""",
    "what torch wraps": """
import torch
class Lion(torch.optim.Optimizer):
    def __init__(self,p): super().__init__(p,{'lr':1})
    def step(self): return 1
class C:
    def f(self): return Lion
# ---
Lion([torch.zeros(1,requires_grad=True)])
""",
    "a protocol in use": """
from typing import Protocol
class P(Protocol):
    def f(self): ...
class B:
    def __init__(self): self.x=1
class C(P,B):
    def f(self): return 1
# ---
C()
""",
    "what is made late": """
class C:
    net=None
    _count=0
    cache={'a':1}
    def f(self): return 1
# ---
C.net=object(); C._count=4; C.cache['b']=2
""",
    "collections": """
from collections import defaultdict
from weakref import WeakValueDictionary
class C:
    a=defaultdict(int,a=1)
    w=WeakValueDictionary()
    def f(self): return 1
# ---
C.a['b']+=1
""",
    "another value each time": """
import time,uuid,random
class C:
    t=time.time()
    u=uuid.uuid4().hex
    r=random.random()
    n=__name__
    def f(self): return 1
""",
    "a proxy": """
class P:
    def __getattr__(self,k):
        if k.startswith('__'): raise AttributeError(k)
        return self
    def __call__(self): return 1
class C:
    p=P()
    def f(self): return 1
""",
    "a proxy of everything": """
class P:
    def __getattr__(self,k): return self
    def __call__(self): return 1
class C:
    p=P()
    def f(self): return 1
""",
    "a table with attributes": """
class A(dict):
    def __getattr__(self,k): return self[k]
class C:
    a=A(x=1)
    def f(self): return 1
""",
    "a mock": """
from unittest.mock import call, MagicMock
class C:
    a=call
    m=MagicMock()
    def f(self): return 1
""",
    "what ends the program the second time": """
import sys
sys.n=0
def once(f):
    sys.n+=1
    if sys.n>1: sys.exit('again')
    return f
@once
def C(x): return x
""",
    "a network": """
import torch
from torch import nn
class Net(nn.Module):
    layers: int = 3
    shape = (1,2)
    @torch.no_grad()
    def f(self): return super().__repr__()
    def forward(self,x): return x
class C(Net):
    __slots__=()
    def forward(self,x): return f'{x}'
# ---
C()(torch.zeros(1))
""",
    "a method like a function": """
def loss(x): return x
def d(f):
    def g(*a): return f(*a)
    return g
class C:
    @d
    def loss(self): return loss(1)
""",
    "super": """
class B:
    def f(self): return 1
class C(B):
    def f(self): return super().f()
    def __init__(self): super().__init__()
""",
    "an abstract class": """
import abc
class B(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
class C(B):
    def f(self): return 1
# ---
C(); isinstance(3,B)
""",
    "a model": """
from dis_bench.models.vae import VAE
class C(VAE):
    dial='x'
    def loss(self,*a): return super().loss(*a)
""",
    "a descriptor": """
class F:
    def __set_name__(self,o,n): self.n=n
    def __get__(self,i,o): return 1
class C:
    a=F()
    def f(self): return 1
""",
    "a dataclass": """
import dataclasses
from typing import ClassVar
@dataclasses.dataclass(slots=True,frozen=True)
class C:
    a: int=1
    k: ClassVar[int]=2
    def f(self): return 1
""",
}


@pytest.mark.parametrize("case", SOUND)
def test_what_a_class_collects_in_use_is_no_change(case, tmp_path):
    done = run(f"{SOUND[case]}{EXTRACT}", tmp_path)
    assert done.stdout == "C.py\n", done.stderr


def test_the_comparison_leaves_no_trace(tmp_path):
    cells = """
import random
import torch
print("defined")
class C:
    print("defined")
    def f(self): return 1
# ---
from dis_bench.extraction import extract
random.seed(1), torch.manual_seed(1)
before = random.getstate(), torch.get_rng_state().tolist()
extract(C), extract(C)
assert (random.getstate(), torch.get_rng_state().tolist()) == before
"""
    done = run(cells, tmp_path)
    assert done.stdout == "defined\ndefined\n", done.stderr
