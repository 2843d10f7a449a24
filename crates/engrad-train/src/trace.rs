//! A timeline of engine evaluations and host work, for the viewer at ui.perfetto.dev (Chrome's trace event format).

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

/// Spans kept; a run longer than that loses its end, not its memory.
const MOST: usize = 1 << 20;

/// Who worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Programs on the engine.
    Engine,
    /// Host arithmetic and staging between evaluations.
    Host,
    /// The thread that forms weight gradients.
    WeightGradients,
    /// The loop waiting for weight gradients.
    Waiting,
}

impl Lane {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Engine, "engine"),
        (Self::Host, "host"),
        (Self::WeightGradients, "weight gradients"),
        (Self::Waiting, "waiting"),
    ];
}

#[derive(Debug, Clone, Copy)]
struct Span {
    lane: Lane,
    name: &'static str,
    start: Instant,
    end: Instant,
}

/// Records what ran when. Recording takes a lock and no memory but the span's.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    spans: Mutex<Vec<Span>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { start: Instant::now(), spans: Mutex::default() }
    }
}

impl Trace {
    /// Notes that `name` ran from `start` until now.
    pub fn record(&self, lane: Lane, name: &'static str, start: Instant) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() < MOST {
            spans.push(Span { lane, name, start, end: Instant::now() });
        }
    }

    /// The timeline as a JSON document that Perfetto and Chrome open.
    pub fn to_json(&self) -> Value {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |lane: Lane| Lane::ALL.iter().position(|(l, _)| *l == lane).unwrap_or_default();
        let names = Lane::ALL.iter().map(|(lane, name)| {
            json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": number(*lane), "args": {"name": name}})
        });
        let microseconds = |from: Instant, to: Instant| to.duration_since(from).as_nanos() as f64 / 1e3;
        let events = spans.iter().map(|span| {
            json!({
                "ph": "X", "name": span.name, "pid": 1, "tid": number(span.lane),
                "ts": microseconds(self.start, span.start), "dur": microseconds(span.start, span.end),
            })
        });
        json!({"displayTimeUnit": "ms", "traceEvents": names.chain(events).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_become_complete_events_on_their_lane() {
        let trace = Trace::default();
        trace.record(Lane::Host, "optimizer", Instant::now());
        let json = trace.to_json();
        let events = json["traceEvents"].as_array().unwrap();
        let last = events.last().unwrap();
        assert_eq!((&last["ph"], &last["name"], &last["tid"]), (&json!("X"), &json!("optimizer"), &json!(1)));
        assert!(last["dur"].as_f64().unwrap() >= 0.0 && last["ts"].as_f64().unwrap() >= 0.0);
        let lane = events.iter().find(|e| e["tid"] == 1 && e["ph"] == "M").unwrap();
        assert_eq!(lane["args"]["name"], "host");
    }
}
