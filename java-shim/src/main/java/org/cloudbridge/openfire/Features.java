/*
 * Features in the discovery of the server and of its accounts. Up to 4.3 an account has the server's features; later ones
 * have their own, from providers of a type that 4.2 does not have, so that one is reached by reflection.
 */
package org.cloudbridge.openfire;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

import org.jivesoftware.openfire.disco.IQDiscoInfoHandler;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is announced by us. */
final class Features {
    private static final Logger LOG = LoggerFactory.getLogger(Features.class);

    private final IQDiscoInfoHandler disco;
    /** Providers by feature. */
    private final Map<String, Object> ofAccounts = new HashMap<>();

    Features(IQDiscoInfoHandler disco) {
        this.disco = disco;
    }

    synchronized void announce(String feature) {
        disco.addServerFeature(feature);
        Method add = method("addUserFeaturesProvider");
        if (add != null) {
            Object provider = provider(add.getParameterTypes()[0], feature);
            if (call(add, provider)) {
                ofAccounts.put(feature, provider);
            }
        }
    }

    synchronized void conceal(String feature) {
        disco.removeServerFeature(feature);
        Object provider = ofAccounts.remove(feature);
        Method remove = provider == null ? null : method("removeUserFeaturesProvider");
        if (remove != null) {
            call(remove, provider);
        }
    }

    private Method method(String name) {
        for (Method method : disco.getClass().getMethods()) {
            if (method.getName().equals(name) && method.getParameterTypes().length == 1) {
                return method;
            }
        }
        return null;
    }

    private boolean call(Method method, Object provider) {
        try {
            method.invoke(disco, provider);
            return true;
        } catch (IllegalAccessException | InvocationTargetException | RuntimeException e) {
            LOG.warn("Accounts do not announce what the server does: {}", e.toString());
            return false;
        }
    }

    /** A provider of one feature; what it is compared by is itself. */
    static Object provider(Class<?> type, String feature) {
        return Proxy.newProxyInstance(Features.class.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
            switch (method.getName()) {
                case "equals":
                    return self == arguments[0];
                case "hashCode":
                    return System.identityHashCode(self);
                case "toString":
                    return "Cloud Bridge: " + feature;
                default:
                    return Collections.singleton(feature).iterator();
            }
        });
    }
}
