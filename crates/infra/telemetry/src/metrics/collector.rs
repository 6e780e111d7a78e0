//! The reading side: all counts, in the order of the table, for the encoder of the text format.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};

use super::Shared;
use super::histogram::DurationHistogram;
use super::limit::Limit;
use super::outcome::{LogLoss, Outcome};
use super::process::Process;
use super::series::{Names, Series};
use super::table::{self, Family};

impl Collector for Shared {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.series.in_use();
        let mut functions = Functions { all: &all, encoder: &mut encoder };
        functions.counters(&table::INVOCATIONS, |series, one| {
            let named = Outcome::ALL.map(Outcome::as_str).into_iter().zip(&series.outcomes);
            named.into_iter().try_for_each(|(outcome, count)| one(Some(("outcome", outcome)), count))
        })?;
        functions.histograms(&table::DURATION, |series| &series.duration)?;
        functions.histograms(&table::WAIT, |series| &series.wait)?;
        functions.gauges(&table::IN_FLIGHT, |series| &series.in_flight)?;
        functions.counters(&table::INSTRUCTIONS, |series, one| one(None, &series.instructions))?;
        functions.counters(&table::RECEIVED, |series, one| one(None, &series.received_bytes))?;
        functions.counters(&table::SENT, |series, one| one(None, &series.sent_bytes))?;
        functions.counters(&table::DATABASE_OPERATIONS, |series, one| {
            one(READ, &series.database_reads)?;
            one(WRITE, &series.database_writes)
        })?;
        functions.counters(&table::STORAGE_OPERATIONS, |series, one| {
            one(READ, &series.storage_reads)?;
            one(WRITE, &series.storage_writes)
        })?;
        functions.counters(&table::STORAGE_TRANSFER, |series, one| {
            one(READ, &series.storage_read_bytes)?;
            one(WRITE, &series.storage_written_bytes)
        })?;
        let limits = Limit::ALL.map(Limit::as_str).into_iter().zip(&self.limit_hits);
        named_counters(&mut encoder, &table::LIMIT_HITS, limits)?;
        let losses = LogLoss::ALL.map(LogLoss::as_str).into_iter().zip(&self.log_lines_dropped);
        named_counters(&mut encoder, &table::LOG_LINES_DROPPED, losses)?;
        describe(&mut encoder, &table::BUILD)?.encode_info(&[("version", self.version)])?;
        process(&mut encoder, &Process::look())
    }
}

type Label = (&'static str, &'static str);

const READ: Option<Label> = Some(("operation", "read"));
const WRITE: Option<Label> = Some(("operation", "write"));

/// Writes one metric of every function in use.
struct Functions<'a, 'e> {
    all: &'a [Arc<Series>],
    encoder: &'a mut DescriptorEncoder<'e>,
}

impl Functions<'_, '_> {
    /// `each` calls what it is given once for every counter of a series.
    fn counters(
        &mut self,
        family: &Family,
        each: impl Fn(&Series, &mut dyn FnMut(Option<Label>, &AtomicU64) -> fmt::Result) -> fmt::Result,
    ) -> fmt::Result {
        let mut metric = describe(self.encoder, family)?;
        for series in self.all {
            each(series, &mut |label, count| match label {
                Some(label) => counter(metric.encode_family(&with(&series.names, label))?, count),
                None => counter(metric.encode_family(&labels(&series.names))?, count),
            })?;
        }
        Ok(())
    }

    fn gauges(&mut self, family: &Family, value: impl Fn(&Series) -> &AtomicU64) -> fmt::Result {
        let mut metric = describe(self.encoder, family)?;
        for series in self.all {
            let value = value(series).load(Ordering::Relaxed);
            metric.encode_family(&labels(&series.names))?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histograms(&mut self, family: &Family, value: impl Fn(&Series) -> &DurationHistogram) -> fmt::Result {
        let mut metric = describe(self.encoder, family)?;
        for series in self.all {
            let histogram = value(series);
            let buckets = histogram.buckets();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let labels = labels(&series.names);
            let mut one = metric.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(histogram.sum_seconds(), count, &buckets, None)?;
        }
        Ok(())
    }
}

fn describe<'e>(encoder: &'e mut DescriptorEncoder<'_>, family: &'e Family) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), family.kind)
}

fn labels(names: &Names) -> impl EncodeLabelSet + use<'_> {
    [("stack", &*names.stack), ("stack_id", &*names.stack_id), ("function", &*names.function)]
}

fn with(names: &Names, (name, value): Label) -> impl EncodeLabelSet + use<'_> {
    [("stack", &*names.stack), ("stack_id", &*names.stack_id), ("function", &*names.function), (name, value)]
}

fn counter(mut metric: MetricEncoder<'_>, count: &AtomicU64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, u64, u64>(&count.load(Ordering::Relaxed), None)
}

/// A counter for each value of the metric's only label.
fn named_counters<'c>(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    counts: impl Iterator<Item = (&'static str, &'c AtomicU64)>,
) -> fmt::Result {
    let mut metric = describe(encoder, family)?;
    for (value, count) in counts {
        counter(metric.encode_family(&[(family.labels[0], value)])?, count)?;
    }
    Ok(())
}

fn process(encoder: &mut DescriptorEncoder<'_>, process: &Process) -> fmt::Result {
    if let Some(seconds) = process.cpu_seconds {
        describe(encoder, &table::PROCESS_CPU)?.encode_counter::<NoLabelSet, f64, f64>(&seconds, None)?;
    }
    for (family, value) in [
        (&table::PROCESS_RESIDENT, process.resident_bytes),
        (&table::PROCESS_OPEN_FILES, process.open_files),
        (&table::PROCESS_OPEN_FILES_MAX, process.open_files_max),
        (&table::PROCESS_THREADS, process.threads),
    ] {
        if let Some(value) = value {
            describe(encoder, family)?.encode_gauge(&value)?;
        }
    }
    match process.start_seconds {
        Some(seconds) => describe(encoder, &table::PROCESS_START)?.encode_gauge(&seconds),
        None => Ok(()),
    }
}
