import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import org.dom4j.Attribute;
import org.dom4j.CharacterData;
import org.dom4j.DocumentHelper;
import org.dom4j.Element;
import org.dom4j.Namespace;
import org.dom4j.Node;
import org.dom4j.QName;
import org.dom4j.io.SAXReader;

/**
 * Stanza to JSON and back in Java, done well: one reused SAXReader, Jackson's streaming generator into a reused buffer, the generic form that loses
 * nothing. Commands come line by line: "load KIND FILE", "run WHAT KIND TIMES" (answers nanoseconds), "size WHAT KIND" (answers bytes).
 */
public final class Convert {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final Path COLLECTOR = collector();
    private static final JsonFactory JSON = new JsonFactory();
    private static final Map<String, byte[]> XML = new HashMap<>();
    private static final Map<String, Element> TREES = new HashMap<>();
    private static final Map<String, byte[]> BACK = new HashMap<>();
    private static final SAXReader READER = new SAXReader();
    private static final ByteArrayOutputStream OUT = new ByteArrayOutputStream(1 << 16);

    private Convert() {
    }

    public static void main(String[] arguments) throws Exception {
        READER.setEncoding("UTF-8");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 4);
            switch (words[0]) {
                case "load":
                    byte[] xml = Files.readAllBytes(Paths.get(words[2]));
                    XML.put(words[1], xml);
                    TREES.put(words[1], parse(xml));
                    tree(TREES.get(words[1]));
                    BACK.put(words[1], OUT.toByteArray());
                    System.out.println("ok");
                    break;
                case "run":
                    int times = Integer.parseInt(words[3]);
                    long start = cpu();
                    int bytes = 0;
                    for (int i = 0; i < times; i++)
                        bytes += once(words[1], words[2]);
                    long took = cpu() - start;
                    System.out.println(bytes == 0 ? "error" : Long.toString(took));
                    break;
                default:
                    System.out.println(once(words[1], words[2]));
            }
            System.out.flush();
        }
    }

    /**
     * CPU time of this thread and of the one that collects its garbage (Linux says how long that ran); the compiler's is left out. The clock of the whole
     * process is too coarse (10 ms).
     */
    private static long cpu() throws IOException {
        long collector = 0;
        if (COLLECTOR != null) {
            String ran = Files.readString(COLLECTOR);
            collector = Long.parseLong(ran.substring(0, ran.indexOf(' ')));
        }
        return THREADS.getCurrentThreadCpuTime() + collector;
    }

    /** With the serial collector that is the VM thread. */
    private static Path collector() {
        File[] tasks = new File("/proc/self/task").listFiles();
        for (File task : tasks == null ? new File[0] : tasks) {
            try {
                if (Files.readString(task.toPath().resolve("comm")).trim().equals("VM Thread"))
                    return task.toPath().resolve("schedstat");
            } catch (IOException gone) {
                // A thread that has ended meanwhile.
            }
        }
        return null;
    }

    private static int once(String what, String kind) throws Exception {
        switch (what) {
            case "parse-again":
                tree(parse(XML.get(kind)));
                return OUT.size();
            case "in-process":
                tree(TREES.get(kind));
                return OUT.size();
            case "parse-text":
                tree(DocumentHelper.parseText(new String(XML.get(kind), StandardCharsets.UTF_8)).getRootElement());
                return OUT.size();
            case "to-bytes":
                return build(BACK.get(kind)).asXML().getBytes(StandardCharsets.UTF_8).length;
            default:
                throw new IllegalArgumentException(what);
        }
    }

    private static Element parse(byte[] xml) throws Exception {
        return READER.read(new ByteArrayInputStream(xml)).getRootElement();
    }

    private static void tree(Element element) throws IOException {
        OUT.reset();
        try (JsonGenerator json = JSON.createGenerator(OUT)) {
            write(element, json);
        }
    }

    private static void write(Element element, JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeStringField("n", element.getName());
        json.writeStringField("ns", element.getNamespaceURI());
        int attributes = element.attributeCount();
        if (attributes > 0) {
            json.writeObjectFieldStart("a");
            for (int i = 0; i < attributes; i++) {
                Attribute attribute = element.attribute(i);
                String ns = attribute.getNamespaceURI();
                json.writeStringField(ns.isEmpty() ? attribute.getName() : "{" + ns + "}" + attribute.getName(), attribute.getValue());
            }
            json.writeEndObject();
        }
        int nodes = element.nodeCount();
        boolean any = false;
        StringBuilder text = null;
        for (int i = 0; i < nodes; i++) {
            Node node = element.node(i);
            boolean isElement = node instanceof Element;
            if (!isElement && !(node instanceof CharacterData))
                continue;
            if (!any) {
                json.writeArrayFieldStart("c");
                any = true;
            }
            if (isElement) {
                if (text != null)
                    json.writeString(text.toString());
                text = null;
                write((Element) node, json);
            } else {
                if (text == null)
                    text = new StringBuilder();
                text.append(node.getText());
            }
        }
        if (any) {
            if (text != null)
                json.writeString(text.toString());
            json.writeEndArray();
        }
        json.writeEndObject();
    }

    private static Element build(byte[] bytes) throws IOException {
        try (JsonParser json = JSON.createParser(bytes)) {
            json.nextToken();
            return build(json);
        }
    }

    /** The parser stands at the beginning of an object. */
    private static Element build(JsonParser json) throws IOException {
        String name = null;
        Element element = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "n":
                    name = json.getText();
                    break;
                case "ns":
                    element = DocumentHelper.createElement(QName.get(name, Namespace.get(json.getText())));
                    break;
                case "a":
                    while (json.nextToken() != JsonToken.END_OBJECT) {
                        String attribute = json.currentName();
                        json.nextToken();
                        if (attribute.startsWith("{http://www.w3.org/XML/1998/namespace}"))
                            element.addAttribute(QName.get(attribute.substring(38), Namespace.XML_NAMESPACE), json.getText());
                        else
                            element.addAttribute(attribute, json.getText());
                    }
                    break;
                default:
                    while (json.nextToken() != JsonToken.END_ARRAY) {
                        if (json.currentToken() == JsonToken.START_OBJECT)
                            element.add(build(json));
                        else
                            element.addText(json.getText());
                    }
            }
        }
        return element;
    }
}
