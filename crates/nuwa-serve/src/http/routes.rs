use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use super::admission::{Admitted, admit};
use crate::api::{self, ApiError, Asked};
use crate::app::App;
use crate::page;
use crate::payload::{Payload, Reply, text_reply};
use crate::record::Record;

/// A page runs nothing but its own script, and asks nobody but this server.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A route, by its path without `/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Page,
    Script,
    Style,
    Health,
    Metrics,
    Models,
    Model,
    Chat,
    Completions,
    Embeddings,
    Tokenize,
    Detokenize,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path) {
            "/" | "/index.html" => Self::Page,
            "/page.js" => Self::Script,
            "/page.css" => Self::Style,
            "/health" => Self::Health,
            "/metrics" => Self::Metrics,
            "/models" => Self::Models,
            "/chat/completions" => Self::Chat,
            "/completions" => Self::Completions,
            "/embeddings" => Self::Embeddings,
            "/tokenize" => Self::Tokenize,
            "/detokenize" => Self::Detokenize,
            path if path.starts_with("/models/") => Self::Model,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Script => "/page.js",
            Self::Style => "/page.css",
            Self::Health => "/health",
            Self::Metrics => "/metrics",
            Self::Models => "/v1/models",
            Self::Model => "/v1/models/NAME",
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Tokenize => "/tokenize",
            Self::Detokenize => "/detokenize",
        }
    }

    /// Whether anybody may ask, with a key or without.
    fn is_open(self) -> bool {
        matches!(self, Self::Page | Self::Script | Self::Style | Self::Health)
    }

    fn method(self) -> Method {
        match self {
            Self::Chat | Self::Completions | Self::Embeddings | Self::Tokenize | Self::Detokenize => {
                Method::POST
            }
            _ => Method::GET,
        }
    }
}

/// Answers one request, whatever it is.
pub async fn answer(app: Arc<App>, peer: IpAddr, request: Request<Incoming>) -> Reply {
    let route = Route::of(request.uri().path());
    let method = request.method().clone();
    let record = Record::new(&app, peer, known(&method), route.map_or("other", Route::name));
    // A page that asks before it asks brings no key.
    let is_open = method == Method::OPTIONS || route.is_some_and(Route::is_open);
    let admitted = match admit(&request, peer, &app.settings, is_open) {
        Ok(admitted) => admitted,
        Err(error) => return refused(record, &error),
    };
    let foreign = admitted.foreign.clone();
    let reply = routed(&app, route, request, admitted, record).await;
    with_origin(reply, foreign.as_deref())
}

/// The method in a log: a client could send anything.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn routed(
    app: &Arc<App>,
    route: Option<Route>,
    request: Request<Incoming>,
    admitted: Admitted,
    mut record: Record,
) -> Reply {
    let method = request.method();
    if *method == Method::OPTIONS && admitted.foreign.is_some() {
        record.status(204);
        return text_reply(204, "text/plain", Payload::Whole(None));
    }
    let Some(route) = route else {
        let path: String = request.uri().path().chars().take(200).collect();
        let told = format!("there is no {path} here");
        return refused(record, &ApiError::new(404, "invalid_request_error", &told).with_code("not_found"));
    };
    if *method != route.method() && !(*method == Method::HEAD && route.method() == Method::GET) {
        let told = format!("{} takes {}", route.name(), route.method());
        return refused(record, &ApiError::new(405, "invalid_request_error", &told));
    }
    let path = request.uri().path().to_string();
    let body = match read(app, request).await {
        Ok(body) => body,
        Err(error) => return refused(record, &error),
    };
    let asked = Asked { app: Arc::clone(app), client: admitted.client, body, record };
    match route {
        Route::Page => own_page(asked.record, "text/html; charset=utf-8", page::DOCUMENT),
        Route::Script => own_page(asked.record, "text/javascript; charset=utf-8", page::SCRIPT),
        Route::Style => own_page(asked.record, "text/css; charset=utf-8", page::STYLE),
        Route::Health => api::health(asked),
        Route::Metrics => api::metrics(asked),
        Route::Models => api::models(asked),
        Route::Model => api::model(asked, &model_name(&path)),
        Route::Chat => api::chat(asked).await,
        Route::Completions => api::completions(asked).await,
        Route::Embeddings => api::embeddings(asked).await,
        Route::Tokenize => api::tokenize(asked).await,
        Route::Detokenize => api::detokenize(asked).await,
    }
}

/// The name behind `/models/`, in which clients write a slash as `%2F`.
fn model_name(path: &str) -> String {
    let name = path.split_once("/models/").map_or("", |(_, name)| name);
    percent_decode_str(name).decode_utf8_lossy().into_owned()
}

fn refused(mut record: Record, error: &ApiError) -> Reply {
    record.status(error.status);
    error.reply()
}

fn own_page(mut record: Record, kind: &'static str, text: &'static str) -> Reply {
    record.status(200);
    let mut reply = text_reply(200, kind, Payload::Whole(Some(Bytes::from_static(text.as_bytes()))));
    let headers = reply.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(CONTENT_POLICY));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    reply
}

/// Lets the page of another site read the answer, where it is allowed.
fn with_origin(mut reply: Reply, foreign: Option<&str>) -> Reply {
    let Some(origin) = foreign.and_then(|origin| HeaderValue::from_str(origin).ok()) else { return reply };
    let fixed = [
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
        ("access-control-allow-headers", "authorization, content-type, x-api-key"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ];
    let headers = reply.headers_mut();
    headers.insert("access-control-allow-origin", origin);
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    reply
}

/// The body, as far as it may go.
async fn read(app: &App, request: Request<Incoming>) -> Result<Bytes, ApiError> {
    let most = app.settings.body_bytes;
    let too_large = || {
        let told = format!("the body is larger than {most} bytes");
        ApiError::new(413, "invalid_request_error", &told).with_code("body_too_large")
    };
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let mut body = request.into_body();
    if announced.is_some_and(|length| length > most as u64) {
        drain(&mut body).await;
        return Err(too_large());
    }
    let read = timeout(app.settings.client_time, Limited::new(&mut body, most).collect()).await;
    match read {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            drain(&mut body).await;
            Err(too_large())
        }
        Ok(Err(_)) => Err(ApiError::invalid("the body broke off")),
        Err(_) => Err(ApiError::new(408, "invalid_request_error", "the body took too long to come")),
    }
}

/// Reads what is not wanted, up to a point: a client that is still sending does not read the answer.
async fn drain(body: &mut Incoming) {
    const MOST: u64 = 64 << 20;
    const PATIENCE: Duration = Duration::from_secs(10);
    let all = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
            if read > MOST || body.is_end_stream() {
                break;
            }
        }
    };
    let _ = timeout(PATIENCE, all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_routes_with_and_without_their_version() {
        assert_eq!(Route::of("/v1/chat/completions"), Some(Route::Chat));
        assert_eq!(Route::of("/chat/completions"), Some(Route::Chat));
        assert_eq!(Route::of("/v1/models/a/b"), Some(Route::Model));
        assert_eq!(model_name("/v1/models/a/b"), "a/b");
        assert_eq!(model_name("/v1/models/a%2Fmodels%2F%E5%A8%B2"), "a/models/娲");
        assert_eq!(Route::of("/"), Some(Route::Page));
        for path in ["/v1", "/v2/models", "/v1models", "//", "/models.json"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
