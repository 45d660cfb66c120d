//! Periods: days and months of UTC, in which budgets are counted.

use std::time::{Duration, SystemTime};

const DAY: u64 = 24 * 60 * 60;

/// A moment, as rows have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(SystemTime);

/// How long a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self(SystemTime::now())
    }

    /// So many microseconds since 1970.
    pub(super) fn at(micros: i64) -> Self {
        Self(SystemTime::UNIX_EPOCH + Duration::from_micros(micros.try_into().unwrap_or_default()))
    }

    pub(super) fn time(self) -> SystemTime {
        self.0
    }

    /// Microseconds since 1970.
    pub(super) fn micros(self) -> i64 {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// `2026-11-24`.
    pub(super) fn day(self) -> String {
        let text = humantime::format_rfc3339_seconds(self.0).to_string();
        text.get(..10).unwrap_or(&text).to_owned()
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        Self(time)
    }
}

impl Period {
    /// The name of the one that this day is in: `2026-11-24` or `2026-11`.
    pub(super) fn of(self, day: &str) -> &str {
        match self {
            Self::Day => day,
            Self::Month => day.get(..7).unwrap_or(day),
        }
    }

    /// When the one begins that this day is in.
    pub(super) fn begin(self, day: &str) -> SystemTime {
        let first = match self {
            Self::Day => midnight(day),
            Self::Month => midnight(&format!("{}-01", self.of(day))),
        };
        first.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// When the next one begins, behind this day.
    pub(super) fn next(self, day: &str) -> SystemTime {
        let next = match self {
            Self::Day => midnight(day).map(|today| today + Duration::from_secs(DAY)),
            Self::Month => {
                let of = |range: std::ops::Range<usize>| day.get(range)?.parse::<u32>().ok();
                of(0..4).zip(of(5..7)).and_then(|(year, month)| {
                    let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                    midnight(&format!("{year:04}-{month:02}-01"))
                })
            }
        };
        next.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// `day` or `month`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

fn midnight(day: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(&format!("{day}T00:00:00Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_where_the_next_one_begins() {
        for (period, day, next) in [
            (Period::Day, "2026-11-24", "2026-11-25T00:00:00Z"),
            (Period::Day, "2028-02-28", "2028-02-29T00:00:00Z"),
            (Period::Month, "2026-11-24", "2026-12-01T00:00:00Z"),
            (Period::Month, "2026-12-31", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(Ok(period.next(day)), humantime::parse_rfc3339(next), "{day}");
        }
        let moment = Moment(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000));
        assert_eq!(moment.day(), "2026-11-18");
        assert_eq!(Period::Month.of(&moment.day()), "2026-11");
    }
}
