//! `land`: files into a feed, with a bar while it takes long and a receipt at the end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;

use super::{FOUND_WRONG, ReceiptFormat, text};
use crate::app::{Workshop, WorkshopOptions};
use crate::decode::Progress;
use crate::ingest::{Converted, Receipt, Refusal, Terms, Upload};

pub(super) async fn land(
    options: WorkshopOptions,
    feed: String,
    files: Vec<PathBuf>,
    terms: Terms,
    format: ReceiptFormat,
) -> Result<ExitCode> {
    let workshop = Workshop::open(&options).await?;
    let mut refused = false;
    for path in files {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let progress = Arc::new(Progress::default());
        let bar = tokio::spawn(draw(name.clone(), Arc::clone(&progress)));
        let upload = Upload { path, name: name.clone(), progress };
        let landed = workshop.lander.land_with(&feed, upload, terms.clone()).await;
        bar.abort();
        match (&landed, format) {
            (Ok(receipt), ReceiptFormat::Json) => text::out(&serde_json::to_string(receipt)?),
            (Ok(receipt), ReceiptFormat::Text) => text::out(&receipt_text(receipt)),
            (Err(refusal), ReceiptFormat::Json) => text::out(&refusal_json(&feed, &name, refusal)),
            (Err(refusal), ReceiptFormat::Text) => {
                text::err(&format!("{name}: refused, nothing landed: {}: {refusal}", refusal.code()));
            }
        }
        refused |= landed.is_err();
    }
    Ok(if refused { ExitCode::from(FOUND_WRONG) } else { ExitCode::SUCCESS })
}

fn refusal_json(feed: &str, file: &str, refusal: &Refusal) -> String {
    json!({ "feed": feed, "file": file, "refused": { "code": refusal.code(), "message": refusal.to_string() } }).to_string()
}

/// Draws the bar until it is aborted; on anything but a terminal it draws nothing.
async fn draw(name: String, progress: Arc<Progress>) {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    bar.set_message(name);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        bar.set_length(progress.total.load(Ordering::Relaxed));
        bar.set_position(progress.bytes.load(Ordering::Relaxed));
    }
}

fn receipt_text(receipt: &Receipt) -> String {
    if let Some(first) = &receipt.duplicate_of {
        let rows = HumanCount(receipt.rows_read);
        return format!("{}: landed before as submission {first} ({rows} rows); nothing to do", receipt.file);
    }
    let mut lines = vec![
        format!("receipt {}", receipt.submission),
        format!("  feed         {} (contract {})", receipt.feed, receipt.contract_version),
        format!("  file         {} ({})", receipt.file, HumanBytes(receipt.bytes)),
        format!("  rows landed  {} of {}", HumanCount(receipt.rows_landed), HumanCount(receipt.rows_read)),
        format!("  quarantined  {}", HumanCount(receipt.rows_quarantined)),
    ];
    lines.extend(receipt.reasons.iter().map(|(code, rows)| format!("    {code:<20} {}", HumanCount(*rows))));
    let unit = |(header, units): (&String, &Converted)| {
        format!("  converted    {header}: {} → {}", units.from, units.to)
    };
    if !receipt.left_out.is_empty() {
        lines.push(format!("  left out     {}", receipt.left_out.join(", ")));
    }
    lines.extend(receipt.units.iter().map(unit));
    lines.push(format!("  time         {:.3} s", receipt.seconds));
    if receipt.rows_quarantined > 0 {
        let table = format!("quarantine.{}", receipt.feed.replace('.', "__"));
        let hint = "SELECT row, code, \"column\", value FROM";
        lines.push(format!(
            "  look at them with: cityloom sql '{hint} {table} WHERE submission = '\\''{}'\\'''",
            receipt.submission
        ));
    }
    lines.join("\n")
}
