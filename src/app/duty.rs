//! Duty feed → desk: the list of who answers for what is a feed like any other, read anew when it moves.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;

use super::Workshop;
use crate::decode::Progress;
use crate::dispatch::{Duty, DutyList};
use crate::ingest::Upload;
use crate::journal::Desk;
use crate::lake::Position;
use crate::model::{Micros, UnitId};

/// Reads the duty list into the desk whenever its feed has moved.
pub(super) struct DutyWatch {
    feed: Option<String>,
    seen: Option<Position>,
}

impl DutyWatch {
    pub(super) fn new(workshop: &Workshop) -> Self {
        Self { feed: workshop.settings.duty.as_ref().map(|duty| duty.feed.to_string()), seen: None }
    }

    pub(super) async fn follow(&mut self, workshop: &Workshop, desk: &Desk, now: Micros) -> Result<()> {
        let Some(feed) = &self.feed else { return Ok(()) };
        let version = workshop.lander.feed(feed)?.table.state().position();
        if self.seen == Some(version) {
            return Ok(());
        }
        let columns = "category, area, unit, unit_name_en, unit_name_zh, accept_within_s, close_within_s";
        // The newest submission of the list is the list.
        let newest = format!("(SELECT max(_submission) FROM {feed})");
        let sql = format!("SELECT {columns} FROM {feed} WHERE _submission = {newest} ORDER BY _row");
        let (_, rows) = workshop.catalog.sql(&sql, now).await.context("reading the duty list")?;
        let mut duties = Vec::new();
        for batch in &rows {
            duties.extend(read(batch)?);
        }
        let (list, flaws) = DutyList::new(duties);
        for flaw in flaws {
            tracing::warn!(feed.id = feed, "{flaw}");
        }
        desk.set_duty_list(list, now).await?;
        self.seen = Some(version);
        Ok(())
    }
}

/// Lands the duty list's file where its feed is still empty.
pub(super) async fn land_first(workshop: &Workshop) -> Result<()> {
    let Some(duty) = &workshop.settings.duty else { return Ok(()) };
    let feed = duty.feed.to_string();
    let Some(file) = duty.file.as_ref().filter(|file| file.exists()) else { return Ok(()) };
    if workshop.lander.feed(&feed)?.table.state().rows > 0 {
        return Ok(());
    }
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let upload = Upload { path: file.clone(), name, progress: Arc::new(Progress::default()) };
    let receipt = workshop.lander.land_file(&feed, upload).await.context("landing the duty list")?;
    if receipt.rows_quarantined > 0 {
        tracing::warn!(
            feed.id = feed,
            rows = receipt.rows_quarantined,
            "rows of the duty list were rejected"
        );
    }
    Ok(())
}

fn read(batch: &RecordBatch) -> Result<Vec<Duty>> {
    let text = |name: &str| -> Result<ArrayRef> {
        let column =
            batch.column_by_name(name).with_context(|| format!("the duty list has no column {name}"))?;
        Ok(cast(column, &DataType::Utf8)?)
    };
    let number = |name: &str| -> Result<ArrayRef> {
        let column =
            batch.column_by_name(name).with_context(|| format!("the duty list has no column {name}"))?;
        Ok(cast(column, &DataType::Int64)?)
    };
    let (category, area, unit) = (text("category")?, text("area")?, text("unit")?);
    let (name_en, name_zh) = (text("unit_name_en")?, text("unit_name_zh")?);
    let (accept, close) = (number("accept_within_s")?, number("close_within_s")?);
    let say = |column: &ArrayRef, row: usize| {
        let column = column.as_string::<i32>();
        if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
    };
    let seconds = |column: &ArrayRef, row: usize| {
        u32::try_from(column.as_primitive::<Int64Type>().value(row)).unwrap_or(0)
    };
    let duty = |row| Duty {
        category: say(&category, row),
        area: say(&area, row),
        unit: UnitId(say(&unit, row)),
        unit_name_en: say(&name_en, row),
        unit_name_zh: say(&name_zh, row),
        accept_within_s: seconds(&accept, row),
        close_within_s: seconds(&close, row),
        helpers: Vec::new(),
    };
    Ok((0..batch.num_rows()).map(duty).collect())
}
