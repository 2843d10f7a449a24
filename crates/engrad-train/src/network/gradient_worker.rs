//! Weight gradients on a thread of their own, while the engine evaluates the next program.
//!
//! Jobs are done one after the other in the order given, so sums are the same in every run. A [`Ticket`] tells when
//! the surfaces a job reads may be written again; waiting is left to whoever needs them.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use engrad_kernels::Refusal;
use rayon::ThreadPool;

use crate::TrainError;
use crate::gradients::{Gradient, Gradients};
use crate::host::{Products, Window, embedding};
use crate::trace::{Lane, Trace};

/// One contribution to a gradient. Matrices are features × positions.
#[derive(Debug)]
pub(crate) enum Job {
    /// dW\[start + o, i\] += Σₛ cotangent\[o, s\] · activation\[i, s\] for the first `rows` rows of the cotangent.
    Product { parameter: usize, start: usize, rows: usize, activation: Window, cotangent: Window },
    /// dw\[index\[r\]\] += Σₛ cotangent\[r, s\] · activation\[r, s\].
    Elementwise { parameter: usize, index: Arc<[usize]>, activation: Window, cotangent: Window },
    /// Columns of `d_x` added to rows of an embedding gradient.
    Scatter { parameter: usize, dim: usize, rows: Vec<Option<usize>>, d_x: Vec<f32> },
    /// A vector added to a gradient.
    Add { parameter: usize, values: Vec<f32> },
}

impl Job {
    fn name(&self) -> &'static str {
        match self {
            Self::Product { .. } => "weight gradient",
            Self::Elementwise { .. } => "head norm gradient",
            Self::Scatter { .. } => "embedding gradient",
            Self::Add { .. } => "norm gradient",
        }
    }
}

/// Number of a job; jobs finish in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Ticket(u64);

#[derive(Debug, Default)]
struct Progress {
    finished: u64,
    /// Why no more jobs will be done.
    ended: Option<String>,
}

#[derive(Debug)]
struct Shared {
    gradients: Mutex<Gradients>,
    progress: Mutex<Progress>,
    advanced: Condvar,
    trace: OnceLock<Arc<Trace>>,
}

/// Owns the gradient sums and the thread that adds to them.
#[derive(Debug)]
pub(crate) struct GradientWorker {
    jobs: Option<Sender<Job>>,
    shared: Arc<Shared>,
    submitted: u64,
    thread: Option<JoinHandle<()>>,
}

impl GradientWorker {
    /// Zero gradients of those rows and columns, formed by `products`.
    ///
    /// # Errors
    /// [`TrainError::Worker`] if the system starts no thread, [`TrainError::Engine`] if it has no memory.
    pub(crate) fn new(
        sizes: &[(usize, usize)],
        pool: Arc<ThreadPool>,
        mut products: Products,
    ) -> Result<Self, TrainError> {
        let sums = sizes.iter().map(|&(rows, columns)| Gradient::new(rows, columns));
        let shared = Arc::new(Shared {
            gradients: Mutex::new(Gradients(sums.collect::<Result<Vec<_>, _>>()?)),
            progress: Mutex::default(),
            advanced: Condvar::new(),
            trace: OnceLock::new(),
        });
        let (jobs, queue) = channel::<Job>();
        let theirs = Arc::clone(&shared);
        let work = move || {
            let end = EndGuard(Arc::clone(&theirs));
            for job in queue {
                {
                    let (started, name) = (Instant::now(), job.name());
                    let mut gradients = lock(&theirs.gradients);
                    let sums: &mut [Gradient] = &mut gradients.0;
                    let done = match job {
                        // Not worth waiting for a thread of the pool.
                        Job::Add { parameter, values } => {
                            sums[parameter].add_row(0, &values);
                            Ok(())
                        }
                        job => pool.install(|| job.run(sums, &mut products)),
                    };
                    if let Err(refusal) = done {
                        lock(&theirs.progress).ended = Some(refusal.to_string());
                        break;
                    }
                    if let Some(trace) = theirs.trace.get() {
                        trace.record(Lane::WeightGradients, name, started);
                    }
                }
                lock(&theirs.progress).finished += 1;
                theirs.advanced.notify_all();
            }
            drop(end);
        };
        let thread = std::thread::Builder::new().name("weight-gradients".into()).spawn(work);
        let thread = thread.map_err(|e| TrainError::Worker(e.to_string()))?;
        Ok(Self { jobs: Some(jobs), shared, submitted: 0, thread: Some(thread) })
    }

    /// Records every job from now on; only the first call counts.
    pub(crate) fn trace_to(&self, trace: Arc<Trace>) {
        let _ = self.shared.trace.set(trace);
    }

    /// Queues a job and returns at once.
    pub(crate) fn submit(&mut self, job: Job) -> Result<Ticket, TrainError> {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            let progress = lock(&self.shared.progress);
            return Err(TrainError::Worker(progress.ended.clone().unwrap_or_else(early)));
        }
        self.submitted += 1;
        Ok(Ticket(self.submitted))
    }

    /// Whether the job, and all before it, are done.
    pub(crate) fn is_finished(&self, ticket: Ticket) -> bool {
        lock(&self.shared.progress).finished >= ticket.0
    }

    /// Waits until the job, and all before it, are done.
    pub(crate) fn wait(&self, ticket: Ticket) -> Result<(), TrainError> {
        let in_pool = rayon::current_thread_index().is_some();
        let mut progress = lock(&self.shared.progress);
        while progress.finished < ticket.0 {
            if let Some(reason) = &progress.ended {
                return Err(TrainError::Worker(reason.clone()));
            }
            if in_pool {
                // A thread of the pool does its share of the jobs instead.
                drop(progress);
                if rayon::yield_now() != Some(rayon::Yield::Executed) {
                    std::thread::yield_now();
                }
                progress = lock(&self.shared.progress);
            } else {
                progress = self.shared.advanced.wait(progress).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Ok(())
    }

    /// Waits for everything, then gives access to the sums.
    pub(crate) fn gradients(&self) -> Result<MutexGuard<'_, Gradients>, TrainError> {
        self.wait(Ticket(self.submitted))?;
        Ok(lock(&self.shared.gradients))
    }
}

impl Drop for GradientWorker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already reported to whoever waited.
            let _ = thread.join();
        }
    }
}

/// Tells waiters that the thread is gone, whichever way it went.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        lock(&self.0.progress).ended.get_or_insert_with(early);
        self.0.advanced.notify_all();
    }
}

fn early() -> String {
    "the weight-gradient thread ended early".to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn run(self, gradients: &mut [Gradient], products: &mut Products) -> Result<(), Refusal> {
        match self {
            Job::Product { parameter, start, rows, activation, cotangent } => {
                let first = activation.read();
                // Locking a surface twice could wait for a writer between the two.
                let second = (!activation.shares_surface(&cotangent)).then(|| cotangent.read());
                let cotangent = cotangent.view(second.as_ref().unwrap_or(&first));
                let activation = activation.view(&first);
                gradients[parameter].add_product(start, rows, cotangent, activation, products)?;
            }
            Job::Elementwise { parameter, index, activation, cotangent } => {
                let positions = activation.columns();
                let [activation, cotangent] = [&activation, &cotangent].map(|window| {
                    let mut dense = Vec::new();
                    window.read_into(&mut dense);
                    dense
                });
                let mut sums = vec![0.0; gradients[parameter].len()];
                let rows = activation.chunks(positions).zip(cotangent.chunks(positions));
                for ((a, c), &place) in rows.zip(index.iter()) {
                    sums[place] += a.iter().zip(c).map(|(a, c)| a * c).sum::<f32>();
                }
                gradients[parameter].add_row(0, &sums);
            }
            Job::Scatter { parameter, dim, rows, d_x } => {
                let sums = embedding::sum_by_row(&d_x, dim, &rows);
                for (row, values) in sums.rows.into_iter().zip(sums.values.chunks(dim)) {
                    gradients[parameter].add_row(row, values);
                }
            }
            Job::Add { parameter, values } => gradients[parameter].add_row(0, &values),
        }
        Ok(())
    }
}
