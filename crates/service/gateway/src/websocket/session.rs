//! The task of one open connection.
//!
//! It reads messages and invokes the handler for one at a time, in their order. Meanwhile it answers pings, writes what
//! functions send, and reads a little ahead; beyond that it stops reading, and TCP slows the client down.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mu_invoke::{Closing, Meter, OpenSocket, Outbound, SocketMessage};
use mu_pricing::Usage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::events::{Answer, Events};
use super::liveness::{Attention, Due, Liveness, Patience};
use super::rate::Rate;
use super::reader::{Reader, Received};
use super::wire;
use super::writer::Writer;

/// Messages read ahead of the one that is with the handler.
const AHEAD_MAX: usize = 16;

/// Pings that may wait to be answered because the client does not read.
const PONGS_MAX: usize = 64;

/// How much is read from the socket at once. The buffer is on the stack of the thread, and only while it is used.
const READ_BYTES: usize = 16 * 1024;

/// The rules of a connection, as they were when it was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) message_bytes_max: u64,
    /// Messages per second.
    pub(super) rate: u32,
    pub(super) patience: Patience,
    pub(super) close_timeout: Duration,
}

/// An open connection.
pub(super) struct Session<S> {
    stream: S,
    events: Arc<Events>,
    open: OpenSocket,
    meter: Arc<Meter>,
    rules: Rules,
    reader: Reader,
    writer: Writer,
    rate: Rate,
    liveness: Liveness,
    ahead: VecDeque<SocketMessage>,
    ahead_bytes: u64,
    /// The handler at work on a message.
    under_way: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    /// The handler's answer, which follows what it has sent while it ran.
    reply: Option<SocketMessage>,
    pongs: usize,
    is_reading: bool,
    /// How the client ended the connection, by a close frame or by a mistake, and until when that may wait: what it sent
    /// before is answered first.
    goodbye: Option<(End, Instant)>,
}

/// How a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client says so.
    Client(Option<Closing>),
    /// The client is not there any more, or does not read.
    Vanished,
    /// The client breaks the protocol.
    Violated(Closing),
    /// The node stops.
    Stopped(Closing),
    /// The function says so, or nobody uses the connection.
    Ended(Closing),
}

/// Something that happened.
enum Step {
    Wrote(usize),
    /// Bytes were read; none at the end.
    Read(usize),
    Answered(Answer),
    Outbound(Outbound),
    Finish,
    Time,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(stream: S, events: Arc<Events>, open: OpenSocket, meter: Arc<Meter>, rules: Rules) -> Self {
        let now = Instant::now();
        Self {
            stream,
            events,
            open,
            meter,
            rules,
            reader: Reader::new(rules.message_bytes_max),
            writer: Writer::default(),
            rate: Rate::new(rules.rate, now),
            liveness: Liveness::new(rules.patience, now),
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            under_way: None,
            reply: None,
            pongs: 0,
            is_reading: true,
            goodbye: None,
        }
    }

    /// Takes what arrived behind the handshake, and the message that the function answered the handshake with.
    pub(super) fn begin(&mut self, arrived: &[u8], first: Option<&SocketMessage>) {
        self.reader.feed(arrived);
        if let Some(message) = first {
            self.send(message, Instant::now());
        }
    }

    /// Serves the connection to its end, and tells the handler of that.
    pub(super) async fn run(mut self, finishing: WaitForCancellationFutureOwned) {
        let end = self.talk(finishing).await;
        let Self { stream, events, open, rules, reader, writer, ahead, under_way, .. } = self;
        // From here on the connection is not found any more.
        drop(open);
        let told = async {
            if let Some(under_way) = under_way {
                under_way.await;
            }
            if end.keeps_what_was_read() {
                for message in ahead {
                    Arc::clone(&events).message(message).await;
                }
            }
            events.close(&end.closing()).await;
        };
        tokio::join!(told, wire::part(stream, reader, writer, &end, rules));
    }

    /// Lets messages pass until there is a reason to end.
    async fn talk(&mut self, finishing: WaitForCancellationFutureOwned) -> End {
        let mut finishing = pin!(finishing);
        let mut timer = pin!(sleep_until(Instant::now()));
        loop {
            let now = Instant::now();
            if let Some(end) = self.advance(now) {
                return end;
            }
            let deadline = self.deadline(now);
            if timer.deadline() != deadline || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            let step = match self.step(finishing.as_mut(), timer.as_mut()).await {
                Ok(step) => step,
                Err(_) => return End::Vanished,
            };
            if let Some(end) = self.take(step) {
                return end;
            }
        }
    }

    /// Does all that can be done without waiting.
    fn advance(&mut self, now: Instant) -> Option<End> {
        self.understand(now);
        while self.reply.is_some() && self.writer.is_empty() {
            match self.open.socket().try_next() {
                Some(outbound) => {
                    if let Some(end) = self.outbound(outbound, now) {
                        return Some(end);
                    }
                }
                None => {
                    if let Some(reply) = self.reply.take() {
                        self.send(&reply, now);
                    }
                }
            }
        }
        if self.has_rest() && self.start_event() {
            // There is room for one more now, which may have arrived already.
            self.understand(now);
        }
        let has_rest = self.has_rest();
        if let Some((end, _)) = self.goodbye.take_if(|(_, until)| has_rest || *until <= now) {
            return Some(end);
        }
        if !self.writer.is_empty() {
            self.liveness.wait_for_write(now);
        }
        let is_reading = self.wants_to_read(now);
        if is_reading && !self.is_reading {
            // While it was not read, nothing could be heard of it.
            self.liveness.hear(now);
        }
        self.is_reading = is_reading;
        None
    }

    /// Takes what has arrived apart, as far as there is room for it.
    fn understand(&mut self, now: Instant) {
        while self.wants_to_read(now) {
            let received = match self.reader.next() {
                Ok(Some(received)) => received,
                Ok(None) => return,
                Err(violation) => return self.end_soon(End::Violated(violation.closing()), now),
            };
            self.rate.take(now);
            match received {
                Received::Message(message) => {
                    self.count(message.data().len());
                    self.liveness.used(now);
                    self.ahead_bytes += message.data().len() as u64;
                    self.ahead.push_back(message);
                }
                Received::Ping(payload) => {
                    self.pongs += 1;
                    self.writer.pong(&payload);
                }
                Received::Pong | Received::Nothing => {}
                Received::Close(closing) => self.end_soon(End::Client(closing), now),
            }
        }
    }

    /// Ends the connection when what was read before is answered, or it takes too long.
    fn end_soon(&mut self, end: End, now: Instant) {
        self.goodbye = Some((end, now + self.rules.close_timeout));
    }

    /// Whether nothing is under way in either direction.
    fn has_rest(&self) -> bool {
        self.under_way.is_none() && self.reply.is_none() && self.writer.is_empty()
    }

    /// Gives the handler the oldest message; `false` when there is none.
    fn start_event(&mut self) -> bool {
        let Some(message) = self.ahead.pop_front() else { return false };
        self.ahead_bytes -= message.data().len() as u64;
        if self.ahead.is_empty() {
            // Between messages a connection holds no memory for them.
            self.ahead = VecDeque::new();
        }
        self.under_way = Some(Box::pin(Arc::clone(&self.events).message(message)));
        true
    }

    /// Whether there is room for one more message.
    fn wants_to_read(&mut self, now: Instant) -> bool {
        let has_token = self.rate.has_token(now);
        has_token
            && self.goodbye.is_none()
            && self.ahead.len() < AHEAD_MAX
            && self.ahead_bytes < self.rules.message_bytes_max
            && self.pongs < PONGS_MAX
    }

    /// When to look at the connection again, whatever happens.
    fn deadline(&self, now: Instant) -> Instant {
        let rate = if self.goodbye.is_none() { self.rate.next() } else { None };
        let goodbye = self.goodbye.as_ref().map(|(_, until)| *until);
        let all = [self.liveness.deadline(self.attention()), rate, goodbye];
        // A connection always has a next time: it is idle, or the handler is at work, which is then waited for.
        all.into_iter().flatten().min().unwrap_or(now + self.rules.patience.idle)
    }

    fn attention(&self) -> Attention {
        let is_busy = self.under_way.is_some() || !self.ahead.is_empty() || self.goodbye.is_some();
        Attention { is_reading: self.is_reading, is_busy }
    }

    /// Waits for the next thing to happen. Cancellation-safe.
    async fn step(
        &mut self,
        finishing: Pin<&mut WaitForCancellationFutureOwned>,
        timer: Pin<&mut Sleep>,
    ) -> io::Result<Step> {
        let takes_outbound = self.reply.is_none() && self.writer.is_empty();
        let Self { stream, reader, writer, under_way, open, is_reading, .. } = self;
        Ok(tokio::select! {
            biased;
            () = finishing => Step::Finish,
            step = poll_fn(|cx| poll_stream(stream, reader, writer, *is_reading, cx)) => step?,
            answer = poll_fn(|cx| under_way.as_mut().map_or(Poll::Pending, |work| work.as_mut().poll(cx))) => {
                Step::Answered(answer)
            }
            outbound = open.socket().next(), if takes_outbound => Step::Outbound(outbound),
            () = timer => Step::Time,
        })
    }

    /// Draws the consequences.
    fn take(&mut self, step: Step) -> Option<End> {
        let now = Instant::now();
        match step {
            Step::Wrote(bytes) => {
                let is_all = self.writer.is_empty();
                self.liveness.wrote(bytes, is_all, now);
                if is_all {
                    self.pongs = 0;
                }
                None
            }
            Step::Read(0) => Some(End::Vanished),
            Step::Read(_) => {
                self.liveness.hear(now);
                None
            }
            Step::Answered(answer) => {
                self.under_way = None;
                self.liveness.used(now);
                match answer {
                    Answer::Nothing => None,
                    Answer::Reply(message) => {
                        self.reply = Some(message);
                        None
                    }
                    Answer::End(closing) => Some(End::Ended(closing)),
                }
            }
            Step::Outbound(outbound) => self.outbound(outbound, now),
            Step::Finish => Some(End::Stopped(Closing::new(1001, "the node stops"))),
            Step::Time => self.due(now),
        }
    }

    fn due(&mut self, now: Instant) -> Option<End> {
        match self.liveness.due(now, self.attention())? {
            Due::Ping => {
                self.writer.ping();
                self.liveness.pinged();
                None
            }
            Due::Gone | Due::Stalled => Some(End::Vanished),
            Due::Idle => Some(End::Ended(Closing::new(1000, "idle"))),
        }
    }

    fn outbound(&mut self, outbound: Outbound, now: Instant) -> Option<End> {
        match outbound {
            Outbound::Message(message) => {
                self.send(&message, now);
                None
            }
            Outbound::Close(closing) => Some(End::Ended(closing)),
        }
    }

    fn send(&mut self, message: &SocketMessage, now: Instant) {
        self.count(message.data().len());
        self.liveness.used(now);
        self.writer.message(message);
    }

    /// Counts the bytes of a message as traffic of the stack.
    fn count(&self, bytes: usize) {
        self.meter.add(&Usage { gateway_traffic_bytes: bytes as u64, ..Usage::default() });
    }
}

impl End {
    /// What the handler is told, and the client, where it can be.
    pub(super) fn closing(&self) -> Closing {
        match self {
            Self::Client(Some(closing)) | Self::Violated(closing) | Self::Stopped(closing) | Self::Ended(closing) => {
                closing.clone()
            }
            Self::Client(None) => Closing::new(1005, ""),
            Self::Vanished => Closing::new(1006, ""),
        }
    }

    /// Whether messages that were read before the end still go to the handler. When it is the function that ends the
    /// connection, it wants no more of them.
    fn keeps_what_was_read(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

/// Writes and reads what is possible now; writing comes first.
fn poll_stream<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    reader: &mut Reader,
    writer: &mut Writer,
    is_reading: bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Step>> {
    if !writer.is_empty()
        && let Poll::Ready(written) = writer.poll_write(stream, cx)
    {
        return Poll::Ready(written.map(Step::Wrote));
    }
    // Encrypted data may be left in a buffer of its own. That takes no room here, so that nothing waits for it.
    if let Poll::Ready(Err(error)) = Pin::new(&mut *stream).poll_flush(cx) {
        return Poll::Ready(Err(error));
    }
    if !is_reading {
        return Poll::Pending;
    }
    poll_read(stream, reader, cx).map_ok(Step::Read)
}

/// Reads what has arrived.
pub(super) fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    reader: &mut Reader,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [std::mem::MaybeUninit::uninit(); READ_BYTES];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    reader.feed(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}
