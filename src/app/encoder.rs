//! The encoder: a thread that turns pictures into bytes, the newest only.
//!
//! Encoding a picture takes up to hundreds of milliseconds, in which keys must go on working.

use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// The running thread. `O` is an order, `D` is what is done for it.
pub(super) struct Encoder<O, D> {
    orders: Option<Sender<O>>,
    done: Receiver<(O, D)>,
    thread: Option<JoinHandle<()>>,
}

impl<O: Clone + Send + 'static, D: Send + 'static> Encoder<O, D> {
    /// Starts the thread, which does `work` for the newest order.
    pub(super) fn start(work: impl Fn(&O) -> D + Send + 'static) -> std::io::Result<Self> {
        let (orders, ordered) = unbounded::<O>();
        let (sender, done) = unbounded();
        let thread = Builder::new().name("encoder".to_owned()).spawn(move || {
            while let Ok(first) = ordered.recv() {
                let newest = ordered.try_iter().last().unwrap_or(first);
                let result = work(&newest);
                if sender.send((newest, result)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            orders: Some(orders),
            done,
            thread: Some(thread),
        })
    }

    /// Orders something, in place of what was ordered before and has not been begun.
    pub(super) fn order(&self, order: O) {
        if let Some(orders) = &self.orders
            && orders.send(order).is_err()
        {
            tracing::warn!("the encoder has ended; a picture is not drawn");
        }
    }

    pub(super) fn done(&self) -> &Receiver<(O, D)> {
        &self.done
    }
}

impl<O, D> Drop for Encoder<O, D> {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the encoder ended by a panic");
        }
    }
}
