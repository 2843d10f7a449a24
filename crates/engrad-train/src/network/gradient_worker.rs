//! Weight gradients, formed by the threads of the pool while the engine evaluates the next program.
//!
//! Jobs are done one after the other in the order given, so sums are the same in every run; each is a task of the pool,
//! so that threads which wait for the end of a step of the engine have something to do. A [`Ticket`] tells when the
//! surfaces a job reads may be written again; waiting is left to whoever needs them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
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
    /// Gradients of weights that one activation was multiplied with.
    Products { activation: Window, weights: Vec<Product> },
    /// dw\[index\[r\]\] += Σₛ cotangent\[r, s\] · activation\[r, s\].
    Elementwise { parameter: usize, index: Arc<[usize]>, activation: Window, cotangent: Window },
    /// Columns of `d_x` added to rows of an embedding gradient.
    Scatter { parameter: usize, dim: usize, rows: Vec<Option<usize>>, d_x: Vec<f32> },
    /// A vector added to a gradient.
    Add { parameter: usize, values: Vec<f32> },
}

/// dW\[start + o, i\] += Σₛ cotangent\[o, s\] · activation\[i, s\] for the first `rows` rows of the cotangent.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) parameter: usize,
    pub(crate) start: usize,
    pub(crate) rows: usize,
    pub(crate) cotangent: Window,
}

impl Job {
    fn name(&self) -> &'static str {
        match self {
            Self::Products { .. } => "weight gradient",
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
    waiting: VecDeque<Job>,
    /// Whether a task for the next job is under way.
    running: bool,
    finished: u64,
    /// Why no more jobs will be done.
    ended: Option<String>,
}

#[derive(Debug)]
struct Shared {
    pool: Arc<ThreadPool>,
    sums: Mutex<Gradients>,
    products: Mutex<Products>,
    progress: Mutex<Progress>,
    advanced: Condvar,
    trace: OnceLock<Arc<Trace>>,
}

/// Owns the gradient sums and the jobs that add to them.
#[derive(Debug)]
pub(crate) struct GradientWorker {
    shared: Arc<Shared>,
    submitted: u64,
}

impl GradientWorker {
    /// Zero gradients of those rows and columns, formed by `products` on the pool.
    ///
    /// # Errors
    /// [`TrainError::Engine`] if the system has no memory.
    pub(crate) fn new(
        sizes: &[(usize, usize)],
        pool: Arc<ThreadPool>,
        products: Products,
    ) -> Result<Self, TrainError> {
        let sums = sizes.iter().map(|&(rows, columns)| Gradient::new(rows, columns));
        let shared = Arc::new(Shared {
            pool,
            sums: Mutex::new(Gradients(sums.collect::<Result<Vec<_>, _>>()?)),
            products: Mutex::new(products),
            progress: Mutex::default(),
            advanced: Condvar::new(),
            trace: OnceLock::new(),
        });
        Ok(Self { shared, submitted: 0 })
    }

    /// Records every job from now on; only the first call counts.
    pub(crate) fn trace_to(&self, trace: Arc<Trace>) {
        let _ = self.shared.trace.set(trace);
    }

    /// Queues a job and returns at once.
    pub(crate) fn submit(&mut self, job: Job) -> Result<Ticket, TrainError> {
        let mut progress = lock(&self.shared.progress);
        if let Some(reason) = &progress.ended {
            return Err(TrainError::Worker(reason.clone()));
        }
        progress.waiting.push_back(job);
        if !progress.running {
            progress.running = true;
            Shared::start_next(&self.shared);
        }
        self.submitted += 1;
        Ok(Ticket(self.submitted))
    }

    /// The last job queued.
    pub(crate) fn last(&self) -> Ticket {
        Ticket(self.submitted)
    }

    /// Whether the job, and all before it, are done.
    pub(crate) fn is_finished(&self, ticket: Ticket) -> bool {
        lock(&self.shared.progress).finished >= ticket.0
    }

    /// Waits until the job, and all before it, are done.
    pub(crate) fn wait(&self, ticket: Ticket) -> Result<(), TrainError> {
        let reached = |progress: &Progress| progress.finished >= ticket.0;
        let progress = self.shared.wait_until(|progress| reached(progress) || progress.ended.is_some());
        match &progress.ended {
            Some(reason) if !reached(&progress) => Err(TrainError::Worker(reason.clone())),
            _ => Ok(()),
        }
    }

    /// Waits for everything, then gives access to the sums.
    pub(crate) fn gradients(&self) -> Result<MutexGuard<'_, Gradients>, TrainError> {
        self.wait(self.last())?;
        Ok(lock(&self.shared.sums))
    }
}

impl Drop for GradientWorker {
    /// Waits for the job under way, which holds surfaces; the others are forgotten.
    fn drop(&mut self) {
        lock(&self.shared.progress).waiting.clear();
        drop(self.shared.wait_until(|progress| !progress.running));
    }
}

impl Shared {
    fn start_next(this: &Arc<Self>) {
        let shared = Arc::clone(this);
        this.pool.spawn(move || shared.run_next());
    }

    fn run_next(self: Arc<Self>) {
        let job = lock(&self.progress).waiting.pop_front();
        // A panic of a task would end the process; whoever waits for the job is told instead.
        let done =
            catch_unwind(AssertUnwindSafe(|| job.map_or(Ok(false), |job| self.run(job).map(|()| true))));
        let mut progress = lock(&self.progress);
        match done {
            Ok(Ok(counts)) => progress.finished += u64::from(counts),
            Ok(Err(refusal)) => progress.ended = Some(refusal.to_string()),
            Err(_) => progress.ended = Some("a weight gradient could not be formed".to_owned()),
        }
        if progress.ended.is_some() {
            progress.waiting.clear();
        }
        progress.running = !progress.waiting.is_empty();
        if progress.running {
            Self::start_next(&self);
        }
        drop(progress);
        self.advanced.notify_all();
    }

    fn run(&self, job: Job) -> Result<(), Refusal> {
        let (started, name) = (Instant::now(), job.name());
        job.run(&mut lock(&self.sums).0, &mut lock(&self.products))?;
        if let Some(trace) = self.trace.get() {
            trace.record(Lane::WeightGradients, name, started);
        }
        Ok(())
    }

    /// Waits for a state; a thread of the pool does its share of the jobs meanwhile.
    fn wait_until(&self, reached: impl Fn(&Progress) -> bool) -> MutexGuard<'_, Progress> {
        let mut progress = lock(&self.progress);
        while !reached(&progress) {
            if rayon::current_thread_index().is_some() {
                drop(progress);
                if rayon::yield_now() != Some(rayon::Yield::Executed) {
                    std::thread::yield_now();
                }
                progress = lock(&self.progress);
            } else {
                progress = self.advanced.wait(progress).unwrap_or_else(PoisonError::into_inner);
            }
        }
        progress
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn run(self, gradients: &mut [Gradient], products: &mut Products) -> Result<(), Refusal> {
        match self {
            Job::Products { activation, weights } => {
                let first = activation.read();
                let Some(features) = weights.first().map(|weight| gradients[weight.parameter].columns())
                else {
                    return Ok(());
                };
                let mut products = products.with(activation.view(&first), features);
                for Product { parameter, start, rows, cotangent } in weights {
                    // Locking a surface twice could wait for a writer between the two.
                    let second = (!activation.shares_surface(&cotangent)).then(|| cotangent.read());
                    let cotangent = cotangent.view(second.as_ref().unwrap_or(&first));
                    gradients[parameter].add_product((start, rows), cotangent, &mut products)?;
                }
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
                gradients[parameter].add_row(0, &sums)?;
            }
            Job::Scatter { parameter, dim, rows, d_x } => {
                let sums = embedding::sum_by_row(&d_x, dim, &rows);
                for (row, values) in sums.rows.into_iter().zip(sums.values.chunks(dim)) {
                    gradients[parameter].add_row(row, values)?;
                }
            }
            Job::Add { parameter, values } => gradients[parameter].add_row(0, &values)?,
        }
        Ok(())
    }
}
