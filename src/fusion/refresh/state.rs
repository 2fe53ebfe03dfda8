//! The state of one cut: partial states by bucket, their sum over the window, and the finished rows.
//!
//! A drop merges with the rows of the groups that it touches. A bucket that leaves the window is forgotten and the
//! groups that it held are added up anew from the buckets that stay; nothing is ever subtracted. A rewritten period is
//! read again from the feed, bucket by bucket.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::compute::{concat_batches, take_record_batch};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;

use super::bucket::TIMELESS;
use super::checkpoint::{Checkpoints, Home, Prints, Seen, Written};
use super::cut::{Cut, bind};
use super::fold::{Bucketed, Fold};
use super::keyed::{Key, Keyed, Keys};

/// So many changed rows are kept however small the state.
const FEW: usize = 1_024;

/// Tables by name, in the place of those that the catalog has.
pub(in crate::fusion) type Leaves = HashMap<String, Arc<dyn TableProvider>>;

/// What a cut has added up.
#[derive(Debug)]
pub(in crate::fusion) struct State {
    cut: Cut,
    fold: Fold,
    keys: Keys,
    /// The first bucket of the window; everything where there is none.
    first: i64,
    buckets: BTreeMap<i64, Keyed>,
    /// Buckets that have changed since they were written to disk, and what is there.
    changed: BTreeSet<i64>,
    home: Home,
    total: Keyed,
    finals: Keyed,
    /// Finished rows that came or went since they were last asked for; none where that is too many to keep.
    touched: Option<Vec<RecordBatch>>,
    /// The result over no rows, which an aggregate without groups has.
    of_nothing: Option<RecordBatch>,
}

/// How large a state is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Groups in the window.
    pub groups: usize,
    /// Buckets.
    pub buckets: usize,
    /// Rows of all buckets.
    pub rows: usize,
    /// Bytes in memory.
    pub bytes: usize,
}

impl State {
    /// A state of no rows at `now`. The cut's tables need only have their types.
    pub(in crate::fusion) async fn new(cut: Cut, session: &SessionState, now_us: i64) -> Result<Self> {
        let fold = Fold::new(&cut.plan, session).await?;
        let keys = Keys::new(fold.schema(), cut.groups)?;
        let of_nothing =
            if cut.ungrouped { Some(renamed(&fold.of_nothing(session).await?, &cut)?) } else { None };
        let (total, finals) = (Keyed::new(fold.schema()), Keyed::new(&cut.schema));
        let mut state = Self {
            cut,
            fold,
            keys,
            first: i64::MIN,
            buckets: BTreeMap::new(),
            changed: BTreeSet::new(),
            home: Home::default(),
            total,
            finals,
            touched: None,
            of_nothing,
        };
        state.first = state.cut.first_bucket(session, now_us)?;
        Ok(state)
    }

    /// The state that a checkpoint holds, where there is a whole one that was made beside the same tables, and how far
    /// each feed was read.
    pub(in crate::fusion) async fn restore(
        cut: &Cut,
        checkpoints: &Checkpoints,
        beside: &Prints,
        session: &SessionState,
    ) -> Result<Option<(Self, BTreeMap<String, Seen>)>> {
        let mut state = Self::new(cut.clone(), session, 0).await?;
        let saved = checkpoints.newest(&cut.id, state.fold.schema()).await;
        let Some(saved) = saved.filter(|saved| saved.beside == *beside) else { return Ok(None) };
        state.first = saved.first;
        state.home = saved.home;
        for (bucket, rows) in &saved.buckets {
            let mut table = Keyed::new(state.fold.schema());
            table.upsert(rows.clone(), state.keys.of(rows)?)?;
            state.buckets.insert(*bucket, table);
        }
        if !saved.buckets.is_empty() {
            let total = state.fold.reduce(saved.buckets.into_values().collect(), session).await?;
            let keys = state.keys.of(&total)?;
            state.total.upsert(total.clone(), keys)?;
            state.finish(total, session).await?;
        }
        Ok(Some((state, saved.feeds)))
    }

    /// Writes what has changed since the last checkpoint; the feeds were read as far as `feeds` says, beside those
    /// tables.
    pub(in crate::fusion) async fn checkpoint(
        &mut self,
        checkpoints: &Checkpoints,
        feeds: BTreeMap<String, Seen>,
        beside: Prints,
    ) -> std::result::Result<(), super::checkpoint::Error> {
        let schema = self.fold.schema();
        let live: BTreeSet<i64> = self.buckets.keys().copied().collect();
        let rows = |bucket: i64| match self.buckets.get(&bucket) {
            Some(table) => Ok(concat_batches(schema, &table.rows()?)?),
            None => Ok(RecordBatch::new_empty(Arc::clone(schema))),
        };
        let at = Written { cut: &self.cut.id, schema, feeds, beside, first: self.first };
        self.home = checkpoints.write(at, &self.home, &live, &self.changed, rows).await?;
        self.changed.clear();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Adds the rows that the feeds of `new` hold. It has every table of the cut.
    pub(in crate::fusion) async fn append(&mut self, new: &Leaves, session: &SessionState) -> Result<bool> {
        let rows = self.fold.rows(&self.bound(new)?, session).await?;
        self.absorb(rows, |_| true, session).await
    }

    /// The event times, both ends included, of all rows that a rewrite of those periods reads; none where it reads all.
    pub(in crate::fusion) fn reach(&self, periods: &[(i64, i64)]) -> Option<Vec<(i64, i64)>> {
        if self.buckets.contains_key(&TIMELESS) {
            return None;
        }
        let step = self.cut.buckets.step_us;
        let begin = |us: i64| self.cut.buckets.of(us).saturating_mul(step);
        Some(periods.iter().map(|(from, to)| (begin(*from), begin(*to).saturating_add(step))).collect())
    }

    /// Reads the buckets anew that hold rows of those periods, both ends included; all of them where a period is
    /// unknown. `all` holds the feeds as they are now. Which buckets that were, for [`State::append_outside`].
    pub(in crate::fusion) async fn rewrite(
        &mut self,
        periods: &[(i64, i64)],
        all: &Leaves,
        session: &SessionState,
    ) -> Result<Rewritten> {
        let runs = periods.iter().map(|(from, to)| (self.cut.buckets.of(*from), self.cut.buckets.of(*to)));
        // Rows without a time may have gone with any file, where there were any.
        let timeless = self.buckets.contains_key(&TIMELESS).then_some((TIMELESS, TIMELESS));
        let rewritten = Rewritten(runs.chain(timeless).collect());
        let gone: Vec<i64> = self.buckets.keys().copied().filter(|bucket| rewritten.holds(*bucket)).collect();
        let mut touched: HashSet<Key> = HashSet::new();
        for bucket in gone {
            self.changed.insert(bucket);
            touched.extend(
                self.buckets.remove(&bucket).iter().flat_map(|rows| rows.keys().cloned().collect::<Vec<_>>()),
            );
        }
        self.add_up(&touched, session).await?;
        let rows = self.fold.rows(&self.bound(all)?, session).await?;
        self.absorb(rows, |bucket| rewritten.holds(bucket), session).await?;
        Ok(rewritten)
    }

    /// [`State::append`] of the rows that a rewrite has not read already.
    pub(in crate::fusion) async fn append_outside(
        &mut self,
        rewritten: &Rewritten,
        new: &Leaves,
        session: &SessionState,
    ) -> Result<bool> {
        let rows = self.fold.rows(&self.bound(new)?, session).await?;
        self.absorb(rows, |bucket| !rewritten.holds(bucket), session).await
    }

    /// Moves the window to a tick that is not before the last one. Whether any row changed.
    pub(in crate::fusion) async fn advance(&mut self, session: &SessionState, now_us: i64) -> Result<bool> {
        let first = self.cut.first_bucket(session, now_us)?;
        if first <= self.first {
            return Ok(false);
        }
        self.first = first;
        let stay = self.buckets.split_off(&first);
        let leave = std::mem::replace(&mut self.buckets, stay);
        let touched: HashSet<Key> = leave.values().flat_map(|rows| rows.keys().cloned()).collect();
        self.add_up(&touched, session).await?;
        Ok(!touched.is_empty())
    }

    /// Whether the tick lies before what the state has forgotten.
    pub(in crate::fusion) fn is_past(&self, session: &SessionState, now_us: i64) -> Result<bool> {
        Ok(self.cut.first_bucket(session, now_us)? < self.first)
    }

    /// The finished rows, columns `c0`, `c1` and on.
    pub(in crate::fusion) fn rows(&self) -> Result<Vec<RecordBatch>> {
        match &self.of_nothing {
            Some(row) if self.finals.len() == 0 => Ok(vec![row.clone()]),
            _ => Ok(self.finals.rows()?),
        }
    }

    /// The finished rows that came or went since the last call, of a group perhaps more than one; none where it is not known.
    pub(in crate::fusion) fn take_touched(&mut self) -> Option<Vec<RecordBatch>> {
        // What an aggregate without groups has over no rows is in no table.
        self.touched.replace(Vec::new()).filter(|_| self.of_nothing.is_none())
    }

    fn touch(&mut self, rows: Option<RecordBatch>) {
        let Some(touched) = &mut self.touched else { return };
        touched.extend(rows);
        if touched.iter().map(RecordBatch::num_rows).sum::<usize>() > self.finals.len() + FEW {
            self.touched = None;
        }
    }

    pub(in crate::fusion) fn size(&self) -> Size {
        Size {
            groups: self.total.len(),
            buckets: self.buckets.len(),
            rows: self.buckets.values().map(Keyed::len).sum(),
            bytes: self.buckets.values().chain([&self.total, &self.finals]).map(Keyed::bytes).sum(),
        }
    }

    /// The cut's plan over other tables.
    fn bound(&self, leaves: &Leaves) -> Result<LogicalPlan> {
        bind(&self.cut.plan, &|name| leaves.get(name).cloned())
    }

    async fn absorb(
        &mut self,
        new: Bucketed,
        counts: impl Fn(i64) -> bool,
        session: &SessionState,
    ) -> Result<bool> {
        let mut parts: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, bucket) in (0..).zip(new.bucket.values()) {
            if *bucket >= self.first && counts(*bucket) {
                parts.entry(*bucket).or_default().push(row);
            }
        }
        if parts.is_empty() {
            return Ok(false);
        }
        let mut live = Vec::with_capacity(parts.len());
        for (bucket, rows) in parts {
            let part = if rows.len() == new.rows.num_rows() {
                new.rows.clone()
            } else {
                take_record_batch(&new.rows, &UInt32Array::from(rows))?
            };
            self.changed.insert(bucket);
            let table = self.buckets.entry(bucket).or_insert_with(|| Keyed::new(self.fold.schema()));
            merge_into(table, vec![part.clone()], &self.keys, &self.fold, session).await?;
            live.push(part);
        }
        let merged = merge_into(&mut self.total, live, &self.keys, &self.fold, session).await?;
        self.finish(merged, session).await?;
        Ok(true)
    }

    /// Adds the groups of `keys` up from the buckets; those that no bucket holds are gone.
    async fn add_up(&mut self, keys: &HashSet<Key>, session: &SessionState) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let parts =
            self.buckets.values().map(|rows| rows.gather(keys)).filter_map(std::result::Result::transpose);
        let parts = parts.collect::<std::result::Result<Vec<_>, _>>()?;
        self.total.remove(keys)?;
        let gone = self.finals.gather(keys)?;
        self.touch(gone);
        self.finals.remove(keys)?;
        if parts.is_empty() {
            return Ok(());
        }
        let merged = self.fold.reduce(parts, session).await?;
        let found = self.keys.of(&merged)?;
        self.total.upsert(merged.clone(), found)?;
        self.finish(merged, session).await
    }

    async fn finish(&mut self, merged: RecordBatch, session: &SessionState) -> Result<()> {
        let rows = self.fold.finish(vec![merged], session).await?;
        let keys = self.keys.of(&rows)?;
        let rows = renamed(&rows, &self.cut)?;
        let before = self.finals.gather(&keys)?;
        self.touch(before);
        self.touch(Some(rows.clone()));
        Ok(self.finals.upsert(rows, keys)?)
    }
}

/// Buckets that were read anew: runs with both ends.
#[derive(Debug)]
pub(in crate::fusion) struct Rewritten(Vec<(i64, i64)>);

impl Rewritten {
    fn holds(&self, bucket: i64) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&bucket))
    }
}

/// Merges state rows into a table; the rows that came of it.
async fn merge_into(
    table: &mut Keyed,
    mut new: Vec<RecordBatch>,
    keys: &Keys,
    fold: &Fold,
    session: &SessionState,
) -> Result<RecordBatch> {
    let mut touched: HashSet<Key> = HashSet::new();
    let (mut rows, mut last) = (0, Vec::new());
    for part in &new {
        last = keys.of(part)?;
        rows += last.len();
        touched.extend(last.iter().cloned());
    }
    let old = table.gather(&touched)?;
    // Groups that are new and met once are merged already.
    if let (None, [only]) = (&old, new.as_slice())
        && touched.len() == rows
    {
        let only = only.clone();
        table.upsert(only.clone(), last)?;
        return Ok(only);
    }
    new.extend(old);
    let merged = fold.reduce(new, session).await?;
    let found = keys.of(&merged)?;
    table.upsert(merged.clone(), found)?;
    Ok(merged)
}

/// The result's columns under the cut's names, without the constant that stands for no group.
fn renamed(rows: &RecordBatch, cut: &Cut) -> Result<RecordBatch> {
    let surplus = rows.num_columns().saturating_sub(cut.schema.fields().len());
    let columns = rows.columns().iter().skip(surplus).cloned().collect();
    Ok(RecordBatch::try_new(Arc::clone(&cut.schema), columns)?)
}
