//! Chromium without a window, asked over a pipe in the words of its developer tools.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one page open, and no network.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    asked: u64,
    /// What the browser has said without being asked.
    pub(crate) events: VecDeque<Value>,
}

impl Browser {
    /// Nothing where there is no Chromium.
    pub(crate) fn open(folder: &Path, page: &Path) -> Option<Self> {
        let is_there = |name: &&str| {
            let version = Command::new(name).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let program = NAMES.into_iter().find(is_there)?;
        let (to, from) = (folder.join("to"), folder.join("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status().unwrap();
        assert!(made.success());
        // It reads from descriptor 3 and writes to 4.
        let child = Command::new("sh")
            .arg("-c")
            .arg(
                "exec \"$0\" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
                  --no-first-run --user-data-dir=\"$3\" --remote-debugging-pipe 3<\"$1\" 4>\"$2\"",
            )
            .arg(program)
            .args([&to, &from, &folder.join("profile")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let mut browser = Self {
            child,
            to,
            from: listen(BufReader::new(File::open(from).unwrap())),
            session: None,
            asked: 0,
            events: VecDeque::new(),
        };
        browser.load(page);
        Some(browser)
    }

    fn load(&mut self, page: &Path) {
        let target = self.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.ask("Target.attachToTarget", &attach);
        self.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Runtime", "Log", "Network", "Page"] {
            self.ask(&format!("{domain}.enable"), &json!({}));
        }
        let offline = json!({
            "offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1
        });
        self.ask("Network.emulateNetworkConditions", &offline);
        let url = format!("file://{}", page.to_str().unwrap());
        self.ask("Page.navigate", &json!({ "url": url }));
        let start = Instant::now();
        while self.evaluate("document.readyState === 'complete' && location.protocol === 'file:'")
            != json!(true)
        {
            assert!(start.elapsed() < PATIENCE, "the page is not there");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What an expression of JavaScript is on the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let evaluate = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true
        });
        let answer = self.ask("Runtime.evaluate", &evaluate);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    pub(crate) fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        loop {
            let answer = self.from.recv_timeout(PATIENCE);
            let answer = answer.unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == json!(self.asked) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Messages of the browser; each ends in a zero.
fn listen(mut from: BufReader<File>) -> Receiver<Value> {
    let (send, receive) = channel();
    let read = move || {
        let mut message = Vec::new();
        while from
            .read_until(0, &mut message)
            .is_ok_and(|length| length > 0)
        {
            message.pop();
            let Ok(value) = serde_json::from_slice(&message) else {
                return;
            };
            if send.send(value).is_err() {
                return;
            }
            message.clear();
        }
    };
    let thread = std::thread::Builder::new().name("browser".to_owned());
    drop(thread.spawn(read).unwrap());
    receive
}
