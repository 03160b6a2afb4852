//! Medians and spreads. A mean of a few rounds on a busy machine says how bad the worst one was; a median does not.

/// The middle of some values, and their ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Between the two in the middle when there is an even number.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Of at least one value; nothing of none.
#[must_use]
pub fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let lower = if sorted.len().is_multiple_of(2) { *sorted.get(middle - 1)? } else { upper };
    Some(Spread { median: f64::midpoint(lower, upper), min: *sorted.first()?, max: *sorted.last()? })
}

/// The value that so many of a hundred are not above; nothing of none.
#[must_use]
pub fn percentile(values: impl IntoIterator<Item = f64>, percent: usize) -> Option<f64> {
    let sorted = sorted(values);
    sorted.get((sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?)).copied()
}

/// What one more costs, by two measurements of a total; nothing when they are of the same number.
#[must_use]
pub fn slope((few, small): (usize, f64), (many, large): (usize, f64)) -> Option<f64> {
    let more = many.checked_sub(few).filter(|more| *more > 0)?;
    Some((large - small) / more as f64)
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_ends() {
        assert_eq!(spread([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread([4.0, 1.0, 2.0, 3.0]).map(|s| s.median), Some(2.5));
        assert_eq!(spread([]), None);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values = || (1..=200).map(f64::from);
        assert_eq!(percentile(values(), 50), Some(101.0));
        assert_eq!(percentile(values(), 99), Some(199.0));
        assert_eq!(percentile(values(), 100), Some(200.0));
        assert_eq!(percentile([7.0], 99), Some(7.0));
        assert_eq!(percentile([], 99), None);
    }

    #[test]
    fn what_one_more_costs() {
        assert_eq!(slope((100, 1000.0), (200, 3000.0)), Some(20.0));
        assert_eq!(slope((100, 3000.0), (200, 1000.0)), Some(-20.0), "it may fall");
        assert_eq!(slope((100, 1.0), (100, 2.0)), None);
        assert_eq!(slope((200, 1.0), (100, 2.0)), None);
    }
}
