//! The pulse of the service's process: memory, file descriptors and threads.

use std::fmt;
use std::fs;
use std::time::Duration;

use tokio::time::{Instant, interval, sleep_until};

use crate::apart::MIB;

/// Between two samples.
const BEAT: Duration = Duration::from_secs(1);

/// From this length on the slope is held to what is promised.
const LONG: Duration = Duration::from_secs(600);

/// What is left out of a long run: caches and pools fill.
const WARM_UP: Duration = Duration::from_secs(120);

/// Growth in MiB a minute.
const LONG_SLOPE: f64 = 1.0;

/// The same for a short run, in which one large answer more or less at its end tilts the line. A leak of a few KiB a
/// call is above it all the same.
const SHORT_SLOPE: f64 = 20.0;

/// What a process holds.
#[derive(Clone, Copy)]
pub struct Vitals {
    /// In bytes.
    pub resident: u64,
    pub descriptors: usize,
    pub threads: usize,
}

impl Vitals {
    pub fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the service is gone");
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Self {
            resident: field("VmRSS:") * 1024,
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: field("Threads:") as usize,
        }
    }

    fn mib(&self) -> f64 {
        self.resident as f64 / MIB as f64
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, threads, .. } = self;
        write!(f, "{:.1} MiB, {descriptors} descriptors, {threads} threads", self.mib())
    }
}

/// What the process holds once that is as it should be, or after so long.
pub async fn wait_for(process: u32, limit: Duration, good: impl Fn(&Vitals) -> bool) -> Vitals {
    let end = Instant::now() + limit;
    let mut beat = interval(BEAT / 10);
    loop {
        beat.tick().await;
        let now = Vitals::of(process);
        if good(&now) || Instant::now() >= end {
            return now;
        }
    }
}

/// Samples of a run.
pub struct Pulse {
    process: u32,
    began: Instant,
    length: Duration,
    samples: Vec<(Duration, Vitals)>,
}

impl Pulse {
    pub fn new(process: u32, length: Duration) -> Self {
        Self { process, began: Instant::now(), length, samples: Vec::new() }
    }

    pub async fn felt_until(&mut self, end: Instant) {
        let mut beat = interval(BEAT);
        loop {
            tokio::select! {
                () = sleep_until(end) => return,
                _ = beat.tick() => self.samples.push((self.began.elapsed(), Vitals::of(self.process))),
            }
        }
    }

    fn is_long(&self) -> bool {
        self.length >= LONG
    }

    fn warm_up(&self) -> Duration {
        if self.is_long() { WARM_UP } else { self.length / 3 }
    }

    /// Minutes and MiB of the samples behind the warm-up.
    fn points(&self) -> Vec<(f64, f64)> {
        let warm = self.samples.iter().filter(|(at, _)| *at >= self.warm_up());
        warm.map(|(at, vitals)| (at.as_secs_f64() / 60.0, vitals.mib())).collect()
    }

    /// The growth in MiB a minute, by least squares.
    fn slope(&self) -> f64 {
        let points = self.points();
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        above / below
    }

    pub fn judge(&self) {
        let most = if self.is_long() { LONG_SLOPE } else { SHORT_SLOPE };
        assert!(self.slope() < most, "memory grows: {self}");
    }
}

impl fmt::Display for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.points();
        let all: Vec<_> = points.iter().map(|point| point.1).collect();
        let (least, most) =
            (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(0.0, f64::max));
        let descriptors = self.samples.iter().map(|(_, vitals)| vitals.descriptors).max().unwrap_or_default();
        write!(
            f,
            "behind {} of warm-up {least:.1} to {most:.1} MiB, {:+.2} MiB a minute; {descriptors} descriptors at most",
            humantime::format_duration(self.warm_up()),
            self.slope()
        )
    }
}
