"""Workers on other computers."""

from contextlib import contextmanager, nullcontext

from joblib import parallel_config


def cluster(args):
    """Return a context in which joblib runs on the workers of the cluster, if there is one."""
    return nullcontext() if args.scheduler is None else _connected(args.scheduler)


@contextmanager
def _connected(address):
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ValueError(f"--scheduler needs dask: pip install 'skasd[distributed]' ({error}).") from error
    # a wrong address fails after 10 s instead of 30 s
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "10s"}),
        Client(address, set_as_default=False) as client,
        parallel_config("dask", client=client),
    ):
        yield
