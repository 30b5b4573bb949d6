// SPDX-License-Identifier: Apache-2.0

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * The JDK's own HTTP server: Chain url|client [virtual]. Requests are served by a pool of threads, or
 * each by a virtual thread. Calls are made by HttpURLConnection, or by HttpClient; calls at once by
 * another pool of threads, or by HttpClient.sendAsync.
 */
public class Chain {
	static final String BACKEND = "http://127.0.0.1:" + System.getenv("BACKEND");
	static final ExecutorService callers = Executors.newCachedThreadPool();
	static HttpClient client;

	static URI uri(String path) {
		return URI.create(BACKEND + path);
	}

	static int callUrl(String path) {
		try {
			var connection = (HttpURLConnection) uri(path).toURL().openConnection();
			connection.setConnectTimeout(10_000);
			connection.setReadTimeout(10_000);
			int status = connection.getResponseCode();
			try (InputStream body = status < 400 ? connection.getInputStream()
							     : connection.getErrorStream()) {
				body.readAllBytes();
			}
			return status;
		} catch (IOException e) {
			throw new RuntimeException(e);
		}
	}

	static CompletableFuture<Integer> callLater(String path) {
		if (client == null)
			return CompletableFuture.supplyAsync(() -> callUrl(path), callers);
		var request = HttpRequest.newBuilder(uri(path)).build();
		return client.sendAsync(request, HttpResponse.BodyHandlers.discarding())
				.thenApply(HttpResponse::statusCode);
	}

	static int call(String path) {
		if (client == null)
			return callUrl(path);
		try {
			var request = HttpRequest.newBuilder(uri(path)).build();
			return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
		} catch (IOException | InterruptedException e) {
			throw new RuntimeException(e);
		}
	}

	static boolean callLeaves(String ident, int count, boolean once) {
		List<CompletableFuture<Integer>> calls = new ArrayList<>();
		boolean failed = false;
		for (int k = 0; k < count; k++) {
			String path = "/leaf/" + ident + "/" + k;
			if (once)
				calls.add(callLater(path));
			else
				failed |= call(path) >= 500;
		}
		for (var call : calls)
			failed |= call.join() >= 500;
		return failed;
	}

	/** Does what the path of a request asks for. Returns the status of its answer. */
	static int serve(String path) {
		String[] parts = path.split("/");
		try {
			Thread.sleep(Integer.parseInt(parts[5]));
		} catch (InterruptedException e) {
			throw new RuntimeException(e);
		}
		return callLeaves(parts[2], Integer.parseInt(parts[3]), parts[4].equals("once")) ? 502 : 200;
	}

	/** It has been answered. */
	static void end(String path) {
		String[] parts = path.split("/");
		if (parts[6].equals("1"))
			call("/after/" + parts[2]);
	}

	static void work(HttpExchange exchange) throws IOException {
		String path = exchange.getRequestURI().getPath();
		exchange.sendResponseHeaders(serve(path), -1);
		exchange.close();
		end(path);
	}

	static int backgroundCalls;

	static void background() {
		call("/background/" + backgroundCalls++);
	}

	static void callForNobody() {
		Executors.newSingleThreadScheduledExecutor().scheduleWithFixedDelay(Chain::background, 10, 10,
				TimeUnit.MILLISECONDS);
	}

	/** By its name, as older JDKs do not have it. */
	static ExecutorService virtualThreads() throws ReflectiveOperationException {
		return (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor")
				.invoke(null);
	}

	public static void main(String[] args) throws Exception {
		System.setProperty("http.maxConnections", "64");
		if (args[0].equals("client"))
			client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
		var here = new InetSocketAddress(InetAddress.getLoopbackAddress(),
				Integer.parseInt(System.getenv("PORT")));
		HttpServer server = HttpServer.create(here, 128);
		server.setExecutor(args.length > 1 ? virtualThreads() : Executors.newFixedThreadPool(16));
		server.createContext("/serve/", Chain::work);
		server.start();
		callForNobody();
	}
}
