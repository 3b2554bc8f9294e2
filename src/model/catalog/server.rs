//! A server on 127.0.0.1 for the tests, as good or bad as each of them wants it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub method: String,
    pub path: String,
    /// First byte of the part that is wanted.
    pub from: Option<usize>,
}

pub(super) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Each connection brings one request, which `answer` answers.
    pub(super) fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (noted, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let serve = move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                let request = read(&stream);
                let noted: &Mutex<Vec<Request>> = &noted;
                noted.lock().unwrap().push(request.clone());
                answer(&request, &mut stream);
            }
        };
        let thread = Builder::new().name("server".to_owned()).spawn(serve);
        Self {
            address,
            seen,
            stop,
            thread: Some(thread.unwrap()),
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn read(stream: &TcpStream) -> Request {
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut words = head[0].split(' ');
    let range = head.iter().find_map(|line| {
        let line = line.to_lowercase();
        let range = line.strip_prefix("range: bytes=")?;
        Some(range.trim_end_matches('-').parse().unwrap())
    });
    Request {
        method: words.next().unwrap().to_owned(),
        path: words.next().unwrap().to_owned(),
        from: range,
    }
}

/// Sends the head of an answer. A client that has gone is no failure of the server.
pub(super) fn head(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)]) {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    send(stream, (text + "\r\n").as_bytes());
}

pub(super) fn send(stream: &mut TcpStream, bytes: &[u8]) {
    drop(stream.write_all(bytes).and_then(|()| stream.flush()));
}

/// Answers as a good server does: the whole file, or the part that is wanted.
pub(super) fn file(request: &Request, stream: &mut TcpStream, content: &[u8]) {
    match request.from {
        None => {
            let length = content.len().to_string();
            head(stream, "200 OK", &[("Content-Length", &length)]);
            send(stream, content);
        }
        Some(from) if from < content.len() => {
            let length = (content.len() - from).to_string();
            let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
            let headers = [("Content-Length", &*length), ("Content-Range", &*range)];
            head(stream, "206 Partial Content", &headers);
            send(stream, &content[from..]);
        }
        Some(_) => head(
            stream,
            "416 Range Not Satisfiable",
            &[("Content-Length", "0")],
        ),
    }
}

/// Announces the whole file and sends the beginning only.
pub(super) fn cut(stream: &mut TcpStream, content: &[u8], after: usize) {
    let length = content.len().to_string();
    head(stream, "200 OK", &[("Content-Length", &length)]);
    send(stream, &content[..after]);
}
