//! The reading side: all counts, in the order of the table, for the encoder of the text format.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::Shared;
use super::histogram::DurationHistogram;
use super::limit::Limit;
use super::outcome::Outcome;
use super::process::Process;
use super::readings::{ContainerReadings, InFlight, Readings, StackTraffic};
use super::series::{Found, Names, Series};
use super::table::{self, Family};

/// All that one text is made of.
#[derive(Debug)]
pub(super) struct View {
    shared: Arc<Shared>,
    functions: Vec<Arc<Series>>,
    in_flight: HashMap<Names, u64>,
    readings: Readings,
}

impl View {
    pub(super) fn new(shared: Arc<Shared>, mut readings: Readings) -> Self {
        readings.keep_traffic(shared.series.own_max());
        let mut in_flight = HashMap::new();
        let begun = std::mem::take(&mut readings.in_flight).into_iter().map(|reading| {
            let InFlight { stack_id, stack, function, invocations } = reading;
            let (Found::Own(series) | Found::Others(series)) =
                shared.series.obtain(&Names { stack_id: stack_id.into(), stack, function });
            *in_flight.entry(series.names.clone()).or_default() += invocations;
            series
        });
        // Held until all are listed: a function whose first invocation has not ended yet is one of them.
        let begun: Vec<_> = begun.collect();
        let functions = shared.series.in_use();
        drop(begun);
        Self { shared, functions, in_flight, readings }
    }
}

impl Collector for View {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (shared, readings) = (&self.shared, &self.readings);
        let mut functions = Functions { all: &self.functions, encoder: &mut encoder };
        functions.counters(&table::INVOCATIONS, |series, one| {
            let named = Outcome::ALL.map(Outcome::as_str).into_iter().zip(&series.outcomes);
            named.into_iter().try_for_each(|(outcome, count)| one(Some(("outcome", outcome)), count))
        })?;
        functions.histograms(&table::DURATION, |series| &series.duration)?;
        functions.histograms(&table::WAIT, |series| &series.wait)?;
        functions.gauges(&table::IN_FLIGHT, |series| self.in_flight.get(&series.names).copied().unwrap_or(0))?;
        functions.counters(&table::INSTRUCTIONS, |series, one| one(None, &series.instructions))?;
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
        stacks(&mut encoder, readings)?;
        limits(&mut encoder, &shared.limit_hits)?;
        api(&mut encoder, &shared.api)?;
        node(&mut encoder, readings)?;
        describe(&mut encoder, &table::BUILD)?.encode_info(&[("version", shared.version)])?;
        containers(&mut encoder, &readings.containers)?;
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

    fn gauges(&mut self, family: &Family, value: impl Fn(&Series) -> u64) -> fmt::Result {
        let mut metric = describe(self.encoder, family)?;
        for series in self.all {
            metric.encode_family(&labels(&series.names))?.encode_gauge(&value(series))?;
        }
        Ok(())
    }

    fn histograms(&mut self, family: &Family, value: impl Fn(&Series) -> &DurationHistogram) -> fmt::Result {
        let mut metric = describe(self.encoder, family)?;
        for series in self.all {
            histogram(metric.encode_family(&labels(&series.names))?, value(series))?;
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

fn histogram(mut metric: MetricEncoder<'_>, histogram: &DurationHistogram) -> fmt::Result {
    let buckets = histogram.buckets();
    let count = buckets.iter().map(|(_, count)| count).sum();
    metric.encode_histogram::<NoLabelSet>(histogram.sum_seconds(), count, &buckets, None)
}

fn stacks(encoder: &mut DescriptorEncoder<'_>, readings: &Readings) -> fmt::Result {
    let requests: fn(&StackTraffic) -> u64 = |traffic| traffic.requests;
    for (family, count) in [(&table::GATEWAY_REQUESTS, requests), (&table::GATEWAY_TRAFFIC, |traffic| traffic.bytes)] {
        let mut metric = describe(encoder, family)?;
        for traffic in &readings.traffic {
            let labels = [("stack", &*traffic.stack), ("stack_id", &*traffic.stack_id)];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&count(traffic), None)?;
        }
    }
    Ok(())
}

fn limits(encoder: &mut DescriptorEncoder<'_>, hits: &[AtomicU64]) -> fmt::Result {
    let mut metric = describe(encoder, &table::LIMIT_HITS)?;
    let mut named = Limit::ALL.into_iter().zip(hits);
    named.try_for_each(|(limit, count)| counter(metric.encode_family(&[("limit", limit.as_str())])?, count))
}

fn api(encoder: &mut DescriptorEncoder<'_>, durations: &[DurationHistogram]) -> fmt::Result {
    let mut metric = describe(encoder, &table::API_REQUESTS)?;
    let mut named = Outcome::ANSWERS.into_iter().zip(durations);
    named.try_for_each(|(outcome, one)| histogram(metric.encode_family(&[("outcome", outcome.as_str())])?, one))
}

fn node(encoder: &mut DescriptorEncoder<'_>, readings: &Readings) -> fmt::Result {
    for (family, value) in [
        (&table::STACKS, readings.stacks),
        (&table::STACKS_LOADED, readings.stacks_loaded),
        (&table::WEBSOCKETS, readings.websockets),
        (&table::LOG_LINES_STORED, readings.log_lines_stored),
        (&table::LOG_LINES_DROPPED, readings.log_lines_dropped),
        (&table::LOG_STORED, readings.log_stored_bytes),
        (&table::LOG_FOLLOWERS, readings.log_followers),
        (&table::USAGE_DELAYED, readings.usage_records_delayed),
        (&table::USAGE_LOST, readings.usage_records_lost),
    ] {
        one(encoder, family, value)?;
    }
    Ok(())
}

fn containers(encoder: &mut DescriptorEncoder<'_>, containers: &ContainerReadings) -> fmt::Result {
    let mut metric = describe(encoder, &table::CONTAINERS)?;
    for (state, count) in [
        ("starting", containers.starting),
        ("busy", containers.busy),
        ("idle", containers.idle),
        ("frozen", containers.frozen),
    ] {
        metric.encode_family(&[("state", state)])?.encode_gauge(&count)?;
    }
    for (family, value) in [
        (&table::CONTAINER_WAITING, containers.waiting_calls),
        (&table::CONTAINER_STARTS, containers.started),
        (&table::CONTAINER_FAILED_STARTS, containers.failed_starts),
        (&table::CONTAINER_EVICTIONS, containers.evicted),
        (&table::CONTAINER_REFUSED_CONNECTIONS, containers.refused_connections),
        (&table::CONTAINER_RESERVED, containers.reserved_bytes),
        (&table::CONTAINER_RESERVABLE, containers.reservable_bytes),
    ] {
        one(encoder, family, value)?;
    }
    Ok(())
}

/// A metric without labels.
fn one(encoder: &mut DescriptorEncoder<'_>, family: &Family, value: u64) -> fmt::Result {
    let mut metric = describe(encoder, family)?;
    match family.kind {
        MetricType::Counter => metric.encode_counter::<NoLabelSet, u64, u64>(&value, None),
        _ => metric.encode_gauge(&value),
    }
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
