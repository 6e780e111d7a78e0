//! Calls with pauses between them, so that containers are frozen, thawed, ended and started all the time: none may fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::Options;
use super::super::row::Row;
use super::super::server::Server;
use super::client::Client;
use super::place;
use crate::failure::Outcome;

const CLIENTS: usize = 8;
const DURATION: Duration = Duration::from_secs(30);
const QUICK_DURATION: Duration = Duration::from_secs(2);

/// Around the 50 ms after which an idle container is frozen, and the second after which it is ended.
const PAUSES_MS: [u64; 11] = [0, 50, 0, 49, 120, 51, 0, 990, 1000, 1010, 55];

pub(super) fn row(ours: &Server, options: Options) -> Outcome<Row> {
    let (host, path) = place(ours, "brief")?;
    let duration = if options.quick { QUICK_DURATION } else { DURATION };
    let (calls, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (calls, failed, path) = (&calls, &failed, &path);
            scope.spawn(move || {
                for pause in PAUSES_MS.iter().cycle().skip(client) {
                    if start.elapsed() > duration {
                        return;
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                    if let Err(failure) = Client::over_tcp(host, path).and_then(|mut client| client.call()) {
                        eprintln!("{failure}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    std::thread::sleep(Duration::from_millis(*pause));
                }
            });
        }
    });
    eprintln!("containers were frozen, thawed, ended and started during {} calls", calls.into_inner());
    let measure = "containers frozen, thawed, ended and started: failed calls";
    Ok(Row::new(measure, "", failed.into_inner() as f64).goal("ours <= 0"))
}
