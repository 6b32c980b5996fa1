// Streamable HTTP in front of an MCP server that speaks stdio, for test suites that only know URLs.
//
//     node bridge.mjs COMMAND [ARGUMENT...]
//
// Listens on a free port of 127.0.0.1 and prints its URL. Each legacy session (initialize) gets a
// server process of its own; requests of the modern, stateless era share one. Ids are rewritten on
// the way in and restored on the way out, so that clients of one process cannot collide. What only
// HTTP has - header checks, status codes, the Host check - is done here; all else is the server's.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { createInterface } from 'node:readline';

const META = 'io.modelcontextprotocol/';
const BODY_MAX = 4 << 20;
const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]']);
const command = process.argv.slice(2);

const CODE = { parse: -32700, request: -32600, header: -32020, method: -32601 };
const BAD_REQUEST = new Set([-32700, -32600, -32602, -32020, -32021, -32022]);

class Server {
	constructor() {
		this.count = 0;
		this.waiting = new Map(); // our id -> exchange
		this.tokens = new Map(); // progress token -> exchange
		this.latest = null;
		this.child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
		this.child.stdin.on('error', () => {}); // the exit handler speaks for it
		this.child.on('error', (error) => this.lost(error.message));
		this.child.on('exit', (code, signal) => this.lost(`it ended (${signal ?? code})`));
		createInterface({ input: this.child.stdout }).on('line', (line) => this.receive(line));
	}

	lost(why) {
		for (const exchange of this.waiting.values()) {
			const error = { code: -32603, message: `the server is gone: ${why}` };
			exchange.finish({ jsonrpc: '2.0', id: exchange.id, error });
		}
		this.waiting.clear();
	}

	write(message) {
		this.child.stdin.write(JSON.stringify(message) + '\n');
	}

	end() {
		this.child.stdin.end();
	}

	request(message, exchange) {
		const token = message.params?._meta?.progressToken;

		exchange.wireId = `bridge-${++this.count}`;
		if (token !== undefined) this.tokens.set(token, exchange);
		this.waiting.set(exchange.wireId, exchange);
		this.latest = exchange;
		this.write({ ...message, id: exchange.wireId });
	}

	cancel(exchange) {
		if (!this.waiting.delete(exchange.wireId)) return;
		this.write({
			jsonrpc: '2.0',
			method: 'notifications/cancelled',
			params: { requestId: exchange.wireId },
		});
	}

	receive(line) {
		const message = JSON.parse(line);
		const exchange = this.waiting.get(message.id);

		if (message.method === undefined && exchange) {
			this.waiting.delete(message.id);
			exchange.finish({ ...message, id: exchange.id });
		} else {
			this.deliver(message);
		}
	}

	// A notification, or a request of the server's: to the exchange that it names, else the newest.
	deliver(message) {
		const meta = message.params?._meta;
		const subscription = meta?.[META + 'subscriptionId'];
		const token = message.params?.progressToken;

		if (subscription !== undefined) {
			const exchange = this.waiting.get(subscription);
			const restored = { ...meta, [META + 'subscriptionId']: exchange?.id };

			exchange?.note({ ...message, params: { ...message.params, _meta: restored } });
		} else if (token !== undefined) {
			this.tokens.get(token)?.note(message);
		} else {
			([...this.waiting.values()].at(-1) ?? this.latest)?.note(message);
		}
	}
}

// One POST: plain JSON when there is only an answer, an event stream as soon as there is more.
class Exchange {
	constructor(id, response, modern, headers) {
		Object.assign(this, { id, response, modern, headers, streaming: false });
	}

	note(message) {
		if (!this.streaming) {
			this.streaming = true;
			this.response.writeHead(200, { 'content-type': 'text/event-stream', ...this.headers });
		}
		this.response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
	}

	finish(message) {
		if (this.streaming) {
			this.note(message);
			this.response.end();
		} else {
			const status = this.modern ? statusOf(message.error?.code) : 200;

			reply(this.response, status, message, this.headers);
		}
	}
}

function statusOf(code) {
	if (code === CODE.method) return 404;
	return BAD_REQUEST.has(code) ? 400 : 200;
}

function reply(response, status, message, headers = {}) {
	response.writeHead(status, { 'content-type': 'application/json', ...headers });
	response.end(JSON.stringify(message));
}

function refuse(response, status, id, code, text) {
	reply(response, status, { jsonrpc: '2.0', id: id ?? null, error: { code, message: text } });
}

function isLocal(request) {
	const host = (request.headers.host ?? '').replace(/:\d+$/, '');
	const origin = request.headers.origin;

	return LOCAL.has(host) && (!origin || LOCAL.has(new URL(origin).hostname));
}

const shared = new Server();
const sessions = new Map();

// The server process for a message, with the headers of its answer; null after a refusal.
function route(message, request, response) {
	const name = request.headers['mcp-session-id'];

	if (message.method === 'initialize') {
		const id = randomUUID();

		sessions.set(id, new Server());
		return { server: sessions.get(id), headers: { 'mcp-session-id': id } };
	}
	if (!sessions.has(name)) {
		refuse(response, name ? 404 : 400, message.id, CODE.request, 'no such session');
		return null;
	}
	return { server: sessions.get(name), headers: {} };
}

function headersAgree(message, request, version) {
	const method = request.headers['mcp-method'];

	return (
		request.headers['mcp-protocol-version'] === version &&
		(method === undefined || method === message.method)
	);
}

function handle(message, request, response) {
	const version = message.params?._meta?.[META + 'protocolVersion'];
	const declared = request.headers['mcp-protocol-version'] ?? '';
	const modern =
		version !== undefined || declared >= '2026' || message.method === 'server/discover';

	if (version !== undefined && !headersAgree(message, request, version)) {
		refuse(response, 400, message.id, CODE.header, 'Header mismatch');
		return;
	}
	const to = modern ? { server: shared, headers: {} } : route(message, request, response);

	if (!to) return;
	if (message.id === undefined || message.method === undefined) {
		to.server.write(message);
		response.writeHead(202).end();
		return;
	}
	const exchange = new Exchange(message.id, response, modern, to.headers);

	response.on('close', () => {
		if (!response.writableEnded) to.server.cancel(exchange);
	});
	to.server.request(message, exchange);
}

function receiveBody(request, response) {
	let body = '';

	request.setEncoding('utf8');
	request.on('data', (data) => {
		body += data;
		if (body.length > BODY_MAX) request.destroy();
	});
	request.on('end', () => {
		let message;

		try {
			message = JSON.parse(body);
		} catch {
			refuse(response, 400, null, CODE.parse, 'Parse error');
			return;
		}
		handle(message, request, response);
	});
}

function endSession(request, response) {
	const name = request.headers['mcp-session-id'];
	const server = sessions.get(name);

	server?.end();
	sessions.delete(name);
	response.writeHead(server ? 200 : 404).end();
}

const listener = http.createServer((request, response) => {
	if (!isLocal(request)) response.writeHead(403).end();
	else if (request.method === 'DELETE') endSession(request, response);
	else if (request.method === 'POST') receiveBody(request, response);
	else response.writeHead(405, { allow: 'POST, DELETE' }).end();
});

listener.listen(0, '127.0.0.1', () => {
	console.log(`http://127.0.0.1:${listener.address().port}/mcp`);
});
