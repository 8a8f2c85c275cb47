use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::routes::answer;
use super::timed::Timed;
use crate::app::App;
use crate::event::Observer;
use crate::served::ServedModel;
use crate::settings::ServeSettings;
use crate::{Error, Result};

/// The most bytes of a head, and the most headers.
const HEAD_BYTES: usize = 32 << 10;
const MOST_HEADERS: usize = 100;

/// Threads for connections; the models have their own.
const THREADS: usize = 2;

/// Models that are served, until it is stopped or dropped.
pub struct Server {
    address: SocketAddr,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Listens, and answers from threads of its own.
    ///
    /// # Errors
    /// When a setting makes no sense, two models have one name, or the port cannot be had.
    pub fn start(settings: ServeSettings, models: Vec<ServedModel>, observer: Observer) -> Result<Self> {
        settings.check()?;
        let asked = SocketAddr::new(settings.host, settings.port);
        let refused = |source| Error::Listen { address: asked.to_string(), source };
        let listener = TcpListener::bind(asked).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let app = App::start(settings, models, observer)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("http")
            .enable_io()
            .enable_time()
            .build()
            .map_err(Error::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let served = Arc::clone(&app);
        let work = move || {
            runtime.block_on(listen(listener, served, stopped));
            // What blocks is a template or a tokenizer at work; nobody waits for it any more.
            runtime.shutdown_timeout(Duration::from_secs(1));
        };
        let thread = thread::Builder::new().name("http".into()).spawn(work).map_err(Error::Thread)?;
        Ok(Self { address, app, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, lets those that run go on for as long as the settings say, and ends.
    pub fn stop(&self) {
        self.app.stop();
        let _ = self.stop.send(true);
        let thread = self.thread.lock().unwrap_or_else(|broken| broken.into_inner()).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        self.app.end();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.end();
        self.stop();
    }
}

/// Takes connections until it is to stop, and waits for those that are open.
async fn listen(listener: TcpListener, app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let most = app.settings.connections;
    let places = Arc::new(Semaphore::new(most));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        // A connection that broke before it was taken, or no more files for the moment.
        let Ok((stream, peer)) = accepted else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Where all places are taken, the connection is closed without a word.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (app, stopped) = (Arc::clone(&app), stopped.clone());
        tokio::spawn(async move {
            connection(stream, peer.ip(), app, stopped).await;
            drop(place);
        });
    }
    drop(listener);
    let all_closed = places.acquire_many(most as u32);
    let _ = timeout(app.settings.grace, all_closed).await;
}

/// Answers the requests of one connection, one after the other.
async fn connection(stream: TcpStream, peer: IpAddr, app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    // Small pieces of a stream are to go at once.
    let _ = stream.set_nodelay(true);
    let patience = app.settings.client_time;
    let io = TokioIo::new(Timed::new(stream, patience));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(answer(app, peer, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEAD_BYTES).max_headers(MOST_HEADERS);
    let mut connection = pin!(http.serve_connection(io, service));
    loop {
        tokio::select! {
            // What goes wrong with a connection is its client's: it went, or what it sent is no HTTP.
            _ = connection.as_mut() => return,
            changed = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                if changed.is_err() {
                    let _ = connection.await;
                    return;
                }
            }
        }
    }
}
