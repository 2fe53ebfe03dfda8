//! Buckets of event time: the number that a state's rows are kept under.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray as _, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Cast, ColumnarValue, Expr, ScalarUDF, Volatility, create_udf, lit};

/// The name of the bucket's column inside plans.
pub(super) const COLUMN: &str = "__bucket";
/// The bucket of rows without a time.
pub(super) const TIMELESS: i64 = i64::MIN;
/// The buckets of states without a window.
pub(super) const DAY_US: i64 = 86_400_000_000;

/// How instants become buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buckets {
    /// Their width in microseconds.
    pub(super) step_us: i64,
    /// Whether a bucket holds its end and not its beginning, as `time > edge` wants it.
    pub(super) strict: bool,
}

impl Buckets {
    /// The bucket of an instant.
    pub(super) fn of(self, us: i64) -> i64 {
        us.saturating_sub(i64::from(self.strict)).div_euclid(self.step_us)
    }

    /// The bucket as an expression over a timestamp in microseconds.
    pub(super) fn expr(self, time: Expr) -> Expr {
        let us = Expr::Cast(Cast::new(Box::new(time), DataType::Int64));
        BUCKET.call(vec![us, lit(self.step_us), lit(i64::from(self.strict))])
    }
}

static BUCKET: LazyLock<ScalarUDF> = LazyLock::new(|| {
    create_udf(
        "cityloom_bucket",
        vec![DataType::Int64; 3],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(|args: &[ColumnarValue]| bucket(args)),
    )
});

fn bucket(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let [times, ColumnarValue::Scalar(ScalarValue::Int64(Some(step))), ColumnarValue::Scalar(strict)] = args
    else {
        return datafusion::common::internal_err!("a bucket has a time and two constants");
    };
    let buckets = Buckets {
        step_us: (*step).max(1),
        strict: matches!(strict, ScalarValue::Int64(Some(strict)) if *strict != 0),
    };
    let times = times.to_array(1)?;
    let times = times.as_primitive::<Int64Type>();
    let numbers: Int64Array = times.iter().map(|us| Some(us.map_or(TIMELESS, |us| buckets.of(us)))).collect();
    Ok(ColumnarValue::Array(Arc::new(numbers) as ArrayRef))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_bucket_holds_its_end() {
        let open = Buckets { step_us: 10, strict: false };
        let strict = Buckets { step_us: 10, strict: true };
        assert_eq!([-11, -10, -1, 0, 9, 10].map(|us| open.of(us)), [-2, -1, -1, 0, 0, 1]);
        assert_eq!([-11, -10, -1, 0, 9, 10, 11].map(|us| strict.of(us)), [-2, -2, -1, -1, 0, 0, 1]);
        assert_eq!(strict.of(i64::MIN), i64::MIN.div_euclid(10));
    }
}
