from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'xpu']
__version__ = '2.10.0+cu128'
debug = False
cuda: Optional[str] = '12.8'
git_version = '0fc0e2a3b1d94c64a8b7e0f8d7c6b5a493827160'
hip: Optional[str] = None
xpu: Optional[str] = None
