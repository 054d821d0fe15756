"""Timing inside CUDA graphs, by the method of bench/gpu_timer.h."""

import statistics
import time

import torch

LAUNCHES = 20
MAX_SAMPLES = 30
MIN_SAMPLES = 5
ENOUGH_US = 30e3
LONG_US = 500
LONG_GRAPH_US = 10e3
BUSY_CYCLES = 120_000  # about 60 us: the host queues a replay in less


def describe(device):
    result = {"torch": torch.__version__, "device": device}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        result |= {
            "device": properties.name,
            "l2_bytes": properties.L2_cache_size,
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
        }
    return result


def l2_bytes(device):
    return torch.cuda.get_device_properties(0).L2_cache_size if device == "cuda" else 1 << 20


def summary(times, unit):
    return {
        f"median_{unit}": statistics.median(times),
        f"min_{unit}": min(times),
        f"max_{unit}": max(times),
        "samples": len(times),
    }


class Timer:
    def __init__(self, device):
        self.device = device
        if device == "cuda":
            self.flush = torch.ones(4 * l2_bytes(device) // 4, dtype=torch.int32, device=device)
            self.flushed = torch.empty((), dtype=torch.int64, device=device)

    def time(self, works, cold=True):
        """Microseconds a call; the works take turns. Each is called before it is captured."""
        for work in works:
            work()
        if self.device != "cuda":
            return self._time_eager(works)
        torch.cuda.synchronize()
        once = self._event_us(works[0])
        launches = LAUNCHES
        if once >= LONG_US:
            launches = max(2, min(LAUNCHES, int(LONG_GRAPH_US / once)))
        graph, results = torch.cuda.CUDAGraph(), []
        with torch.cuda.graph(graph):
            # Results are kept until all is captured: each call has memory of its own.
            for i in range(launches):
                results.append(works[i % len(works)]())
        graph.replay()
        samples = int(ENOUGH_US / self._event_us(graph.replay))
        samples = max(MIN_SAMPLES, min(MAX_SAMPLES, samples))
        times = self._replay(graph, samples, cold)
        return {"launches": launches} | summary([t / launches for t in times], "us")

    def _replay(self, graph, samples, cold):
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(samples)]
        for begin, end in events:
            torch.cuda._sleep(BUSY_CYCLES)
            if cold:
                torch.sum(self.flush, dim=0, dtype=torch.int64, out=self.flushed)
            begin.record()
            graph.replay()
            end.record()
        torch.cuda.synchronize()
        return [1e3 * begin.elapsed_time(end) for begin, end in events]

    def _event_us(self, run):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return 1e3 * begin.elapsed_time(end)

    def _time_eager(self, works):
        times = []
        for i in range(MIN_SAMPLES):
            begin = time.perf_counter()
            works[i % len(works)]()
            times.append(1e6 * (time.perf_counter() - begin))
        return {"launches": 1} | summary(times, "us")
