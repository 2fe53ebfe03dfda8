//! Why a query cannot be kept up to date from what is new, with a stable code and what to do about it.

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable code, `INC01` and on.
    pub code: &'static str,
    /// What stands in the way, in the analyst's words.
    pub message: String,
    /// What to write instead.
    pub advice: &'static str,
    /// A word of the query near which it stands, as the query may spell it.
    pub near: String,
}

impl Reason {
    fn new(code: &'static str, near: &str, message: String, advice: &'static str) -> Self {
        Self { code, message, advice, near: near.to_owned() }
    }

    pub(super) fn joined_feeds(left: &str, right: &str) -> Self {
        let message = format!("`{left}` and `{right}` are both live feeds and are joined row by row");
        Self::new("INC01", right, message, "aggregate each to its cells first, then join the results")
    }

    pub(super) fn kept_side(feed: &str) -> Self {
        let message = format!("the join keeps rows that `{feed}` does not match");
        Self::new("INC02", feed, message, "aggregate the feed first, then join it")
    }

    pub(super) fn window_function(feed: &str) -> Self {
        let message = format!("a window function needs every earlier row of `{feed}`");
        Self::new("INC03", "over", message, "aggregate first, use the window function on the result")
    }

    pub(super) fn limited(feed: &str) -> Self {
        let message = format!("rows of `{feed}` are limited before they are aggregated");
        Self::new("INC04", "limit", message, "move the LIMIT to the end of the query")
    }

    pub(super) fn time(near: &str, message: String) -> Self {
        let advice = "compare the feed's time column with `now() - INTERVAL …` by `>` or `>=`, in the WHERE of its aggregate";
        Self::new("INC05", near, message, advice)
    }

    pub(super) fn subquery(feed: &str) -> Self {
        let message = format!("a subquery reads `{feed}` row by row");
        Self::new("INC06", feed, message, "write it as a CTE and join it on the cell")
    }

    pub(super) fn unbounded(function: &str) -> Self {
        let message = format!("exact {function} keeps every value of the feed's whole history");
        let advice = "give it a window (`WHERE _event_time > now() - INTERVAL …`), or use approx_distinct, approx_percentile_cont";
        Self::new("INC07", function, message, advice)
    }

    pub(in crate::fusion) fn too_many_groups(feed: &str, groups: &str, most: usize) -> Self {
        let message = format!("a state of `{feed}` by {groups} has more than {most} rows");
        let advice = "group by a coarser cell or time, shorten the window, or raise `state_rows` under [limits] of cityloom.toml";
        Self::new("INC08", feed, message, advice)
    }

    pub(super) fn operator(feed: &str, what: &str) -> Self {
        let message = format!("`{feed}` goes through {what} before it is aggregated");
        Self::new("INC09", feed, message, "aggregate the feed first")
    }

    pub(super) fn foreign(table: &str) -> Self {
        let message = format!("nobody tells when `{table}` changes");
        Self::new("INC09", table, message, "leave it out of what is to be live")
    }

    pub(super) fn function(name: &str) -> Self {
        let message = format!("`{name}` is not known to merge");
        let advice = "use count, sum, avg, min, max, first_value, last_value, stddev, var, corr, approx_distinct, approx_percentile_cont";
        Self::new("INC10", name, message, advice)
    }

    pub(super) fn raw_rows(feed: &str) -> Self {
        let message = format!("rows of `{feed}` reach the result without an aggregate");
        Self::new("INC11", feed, message, "aggregate them to cells or keys")
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}
