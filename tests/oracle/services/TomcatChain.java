// SPDX-License-Identifier: Apache-2.0

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.file.Files;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;

/** The same in Tomcat: its poller hands connections to the threads of a pool, and these read the requests. */
public class TomcatChain {
	static class Work extends HttpServlet {
		@Override
		protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
			String path = request.getRequestURI();
			response.setStatus(Chain.serve(path));
			response.setContentLength(0);
			response.flushBuffer();
			Chain.end(path);
		}
	}

	public static void main(String[] args) throws Exception {
		System.setProperty("http.maxConnections", "64");
		Tomcat tomcat = new Tomcat();
		tomcat.setBaseDir(Files.createTempDirectory("tomcat").toString());
		tomcat.setPort(Integer.parseInt(System.getenv("PORT")));
		tomcat.getConnector().setProperty("address", "127.0.0.1");
		tomcat.getConnector().setProperty("maxThreads", "16");
		Context context = tomcat.addContext("", null);
		Tomcat.addServlet(context, "work", new Work());
		context.addServletMappingDecoded("/serve/*", "work");
		tomcat.start();
		Chain.callForNobody();
	}
}
